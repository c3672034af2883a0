"""The measuring figures on the command line: ls, show and the lines of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.run.client import RunHandle, runs_dir
from engine.run.files import RunFolder
from engine.schema import Event, Kind, Request, Status
from fitui.cli import main
from fitui.cli.follow import follow
from tests.engine.store.store_samples import Dataset, trace

FASTER = "faster than the limit"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """fast reaches 20 % and 80 % of the limit; slow 131.7 %, which cannot be."""
    dataset = Dataset.small(tmp_path / "data")
    low = {"n": 40, "roofline": 20.0, "limit_us": 2.0, "limit_by": "memory"}
    dataset.lines(
        "traces/ada/gemm/gemm.jsonl",
        trace("fast", "w1", day=1, figures=low),
        trace("fast", "w2", m=4096, day=2, figures={"roofline": 80, "flags": ["host_sync"]}),
    )
    alarm = {"roofline": 131.7, "flags": ["host_sync", FASTER]}
    dataset.lines("traces/bob/gemm/gemm.jsonl", trace("slow", "w1", day=3, figures=alarm))
    return dataset.root


@pytest.fixture
def printed(root: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> str:
        assert main([*arguments, "--dataset", str(root)]) == 0
        return capsys.readouterr().out

    return run


def test_ls_traces_has_them(printed: Any) -> None:
    lines = printed("ls", "traces", "--sort", "-roofline").splitlines()
    place = lines[0].index("% roof")
    assert [line[place : place + 7].strip() for line in lines[1:]] == ["132!", "80.0", "20.0"]
    assert lines[1].endswith(f"{FASTER}, host_sync") and lines[2].endswith("host_sync")
    (found,) = printed("ls", "traces", "--where", "is:alarm", "--json").splitlines()
    row = json.loads(found)
    assert row["roofline"] == 131.7 and row["flags"] == [FASTER, "host_sync"]
    assert len(printed("ls", "traces", "--where", "flag:host_sync", "--json").splitlines()) == 2


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("definitions", ["40.0!"]),
        ("solutions", ["40.0", "132!"]),
        ("cells", ["20.0", "80.0", "132!", "-"]),
    ],
)
def test_every_list_has_a_column(printed: Any, kind: str, figures: list[str]) -> None:
    title, *lines = printed("ls", kind).splitlines()
    end = title.index("% roof") + len("% roof")
    assert [line[: end + 1].split()[-1] for line in lines] == figures
    names = {"definitions": "best_roofline"}
    for line in printed("ls", kind, "--json").splitlines():
        assert names.get(kind, "roofline") in json.loads(line)


def test_show_has_the_block_of_a_trace(printed: Any) -> None:
    (row,) = printed("ls", "traces", "--where", "roofline:20", "--json").splitlines()
    shown = printed("show", str(json.loads(row)["id"]))
    assert "-- measurement\n   latency      10.0 us   n=40\n" in shown
    assert "   % roofline   20.0 %   of 2.00 us at best, bound by memory" in shown
    (row,) = printed("ls", "traces", "--where", "is:alarm", "--json").splitlines()
    shown = printed("show", str(json.loads(row)["id"]))
    assert f"\n ! {FASTER}\n   The device needs longer" in shown


def test_show_has_it_beside_results(printed: Any) -> None:
    assert "4.00x over the reference, 40.0 % roofline)" in printed("show", "gemm")
    assert any(
        line.split() == ["%", "roofline", "132!"] for line in printed("show", "slow").splitlines()
    )


@pytest.fixture
def handle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunHandle:
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: True)
    folder = RunFolder(runs_dir(tmp_path) / "20260102-030405-abcd")
    folder.create(Request(run=folder.run, created=0.0, dataset=[], devices=["cpu"]))
    figures: list[dict[str, Any]] = [
        {"roofline": 20.0},
        {"roofline": 80.0, "flags": ["host_sync", "\x1b[2Jx"]},
        {"roofline": 131.7, "flags": ["host_sync", FASTER]},
        {},
    ]
    events = [Event(kind=Kind.RUN_STARTED, t=1.0, n=4)]
    for number, own in enumerate(figures):
        name = "slow" if number == 2 else "fast"
        known = {"evaluation": f"e{number}", "solution": name, "workload": f"w{number}"}
        events.append(Event(kind=Kind.QUEUED, t=1.0, definition="d", **known))
        passed = {"status": Status.PASSED, "latency_ms": 0.005, "speedup": 2.0}
        events.append(Event(kind=Kind.DONE, t=2.0, evaluation=f"e{number}", **passed, **own))
    folder.append_events(*events, Event(kind=Kind.RUN_FINISHED, t=3.0, state="finished"))
    return RunHandle(folder)


def test_a_run_tells_them_as_they_come(
    handle: RunHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(handle, json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "P   5.00 us      2.00x  20.0 %  d / fast",
        "P   5.00 us      2.00x  80.0 %  d / fast    [host_sync, x]",
        f"P   5.00 us      2.00x   132 %! d / slow    [{FASTER}, host_sync]",
        "P   5.00 us      2.00x          d / fast",
    ]
    summary = [line.split() for line in lines if line.startswith("d  ")]
    assert [line[3:5] for line in summary] == [["2.00x", "40.0"], ["2.00x", "132!"]]


def test_a_program_gets_them_too(handle: RunHandle, capsys: pytest.CaptureFixture[str]) -> None:
    assert follow(handle, json=True) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [item["roofline"] for item in found] == [20.0, 80.0, 131.7, None]
    assert found[2]["flags"] == ["host_sync", FASTER] and found[3]["flags"] == []
