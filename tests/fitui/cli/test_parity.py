"""`fitui bench --timer` and `--parity`: what is asked for, what is refused, both figures."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.run import client
from engine.run.devices import Device
from engine.run.files import RunFolder
from engine.run.record import settings_hash
from engine.schema import Event, Kind, Settings, Status
from engine.schema.run import QUICK
from fitui.cli import main
from tests.fitui.ui.tiny_files import write_dataset

GPU = Device(name="cuda:0", hardware="NVIDIA H200", key="GPU-x")
CELLS = (("fast", "wl-0001", 1), ("slow", "wl-0001", 1), ("wrong", "wl-0001", 1))


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny dataset; there is a GPU, and runs get no runner."""
    monkeypatch.setattr("engine.run.client.start_runner", lambda _state: None)
    monkeypatch.setattr("fitui.cli.bench.find_devices", lambda _text: [GPU])
    return write_dataset(tmp_path / "dataset")


def bench(dataset: Path, *arguments: str) -> int:
    return main(["bench", "--dataset", str(dataset), *arguments])


class FakeRunner:
    """Carries a run out as it is asked for; the evaluations of each timer end as it is told."""

    def __init__(self, ours: Sequence[Any], theirs: Sequence[Any], name: str = "flashinfer"):
        self._submit = client.submit
        self._ends = {"auto": ("cupti", ours), "flashinfer": (name, theirs)}

    def __call__(self, *arguments: Any, **options: Any) -> client.RunHandle:
        handle = self._submit(*arguments, **options)
        timer, ends = self._ends[options["settings"].timer]
        folder = handle.folder
        tell(folder, Kind.RUN_STARTED, n=len(ends))
        for number, (end, (solution, uuid, batch)) in enumerate(zip(ends, CELLS, strict=False)):
            about = {"definition": "double_h8", "solution": solution, "workload": uuid}
            tell(folder, Kind.QUEUED, f"e{number}", axes={"batch_size": batch}, **about)
            if isinstance(end, Status):
                tell(folder, Kind.DONE, f"e{number}", status=end, message="no")
                continue
            latency, speedup = end
            figures = {"latency_ms": latency / 1e3, "speedup": speedup, "timer": timer}
            tell(folder, Kind.DONE, f"e{number}", status=Status.PASSED, **figures)
        tell(folder, Kind.RUN_FINISHED, state="finished")
        return handle


def tell(folder: RunFolder, kind: Kind, evaluation: str = "", **fields: Any) -> None:
    folder.append_events(Event(kind=kind, t=time.time(), evaluation=evaluation, **fields))


def test_a_timer_is_part_of_what_is_asked_for_and_of_its_hash(dataset: Path) -> None:
    assert bench(dataset, "--detach", "--timer", "flashinfer", "--quick") == 0
    (handle,) = client.list_runs()
    settings = handle.request.settings
    assert (settings.timer, settings.quick) == ("flashinfer", True)
    assert settings_hash(settings) != settings_hash(QUICK)
    assert settings_hash(Settings(timer="flashinfer")) != settings_hash(Settings())


def test_a_timer_that_is_not_known_is_refused_with_those_that_are(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(dataset, "--timer", "stopwatch")
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert "stopwatch" in message
    assert all(name in message for name in ("auto", "cupti", "kineto", "events", "flashinfer"))
    assert client.list_runs() == []


@pytest.mark.parametrize("how", [["--timer", "flashinfer"], ["--timer", "cupti"], ["--parity"]])
def test_without_a_gpu_it_is_refused_before_anything_runs(
    dataset: Path,
    how: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cpu = Device(name="cpu", hardware="CPU", key="cpu")
    monkeypatch.setattr("fitui.cli.bench.find_devices", lambda _text: [cpu])
    assert bench(dataset, *how) == 2
    assert f"{' '.join(how)} needs a GPU, and this run is on cpu" in capsys.readouterr().err
    assert client.list_runs() == []


def test_parity_waits_for_its_table(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(dataset, "--parity", "--detach") == 2
    assert "--detach does not wait" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench(dataset, "--parity", "--timer", "events")


def test_both_figures_stand_side_by_side(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = FakeRunner([(2.0, 11.0), (22.0, 1.0)], [(2.0, 77.0), (154.0, 1.0)])
    monkeypatch.setattr("fitui.cli.bench.submit", runner)
    assert bench(dataset, "--parity", "--quick") == 0
    newest, oldest = (handle.request for handle in client.list_runs())
    assert (oldest.settings.timer, newest.settings.timer) == ("flashinfer", "auto")
    assert oldest.solutions == newest.solutions and oldest.settings.quick
    text = capsys.readouterr().out
    table = text[text.index("definition  solution", text.rindex("run ")) :].splitlines()
    assert [line.split()[3:] for line in table[1:3]] == [
        ["2.00", "2.00", "1.00x", "11.0x", "77.0x"],
        ["22.0", "154", "7.00x", "1.00x", "1.00x"],
    ]
    assert "ours, by cupti:" in text and "flashinfer-bench's way, by flashinfer:" in text
    assert "launch-bound" in text and "CUDA events" not in text


def test_what_failed_has_no_ratio_and_events_are_named(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = [(2.0, 3.0), (4.0, 1.0)], [(5.0, 3.0), Status.RUNTIME_ERROR]
    monkeypatch.setattr("fitui.cli.bench.submit", FakeRunner(ours, theirs, "flashinfer-events"))
    assert bench(dataset, "--parity") == 1
    text = capsys.readouterr().out
    rows = [line.split() for line in text[text.rindex("definition ") :].splitlines()]
    assert rows[2] == ["double_h8", "slow", "batch_size=1", "4.00", "-", "-", "1.00x", "-"]
    assert "by flashinfer-events:" in text and "takes CUDA events" in text


def test_programs_get_both_evaluations_of_a_pair(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = [(2.0, 3.0), (4.0, 1.0), (5.0, 1.0)], [(3.0, 9.0), Status.TIMEOUT]
    monkeypatch.setattr("fitui.cli.bench.submit", FakeRunner(ours, theirs))
    assert bench(dataset, "--parity", "--json") == 1
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["solution"], first["workload"], first["ratio"]) == ("fast", "wl-0001", 1.5)
    assert first["axes"] == {"batch_size": 1}
    assert (first["ours"]["timer"], first["flashinfer"]["timer"]) == ("cupti", "flashinfer")
    assert (first["ours"]["speedup"], first["flashinfer"]["speedup"]) == (3.0, 9.0)
    assert first["ours"]["run"] != first["flashinfer"]["run"]
    assert (second["ratio"], second["flashinfer"]["status"]) == (None, "TIMEOUT")
    assert (third["ratio"], third["flashinfer"]) == (None, None)


def test_an_interrupt_cancels_both_runs(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("fitui.cli.bench.follow_both", interrupt)
    assert bench(dataset, "--parity") == 130
    handles = client.list_runs()
    assert len(handles) == 2
    assert all(handle.folder.cancel_file.exists() for handle in handles)
    assert capsys.readouterr().err.count("cancelled run") == 2
