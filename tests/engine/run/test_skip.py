"""What ``--resume`` takes for done on a GPU: traces of a CPU run, rewritten to be a GPU's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.run.devices import Device
from engine.run.plan import make_plan
from engine.run.skip import done_before
from engine.schema import Request
from engine.store import TraceStore

from .conftest import GOOD, LIMITS, run_to_end, write_dataset

GPU = Device(name="cuda:0", hardware="NVIDIA H200", key="GPU-x", driver="570.1")
Libs = dict[str, str]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A dataset, and a trace of each of its three workloads, made by CUPTI on the GPU."""
    root = tmp_path_factory.mktemp("skip")
    dataset = write_dataset(root / "dataset", {"good": GOOD}, lengths=(8, 16, 24))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        run_to_end(dataset)
    (path,) = dataset.glob("traces/**/*.jsonl")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for trace in found:
        environment = trace["evaluation"]["environment"]
        environment["hardware"] = GPU.hardware
        environment["libs"] |= {"driver": GPU.driver, "fitui.timer": "cupti"}
        environment["libs"]["cupti-python"] = "13.1.0"
    assert len(found) == 3
    return path, found


@pytest.fixture
def done(
    traces: tuple[Path, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., list[str]]:
    """Workloads of which an evaluation stands, once the traces' libs have been changed."""
    path, found = traces
    installed = {"cupti-python": "13.1.0"}
    real = found[0]["evaluation"]["environment"]["libs"]
    monkeypatch.setattr(
        "engine.run.skip._installed", lambda name: installed.get(name, real.get(name, ""))
    )

    def ask(*changes: Libs, cupti: str = "13.1.0") -> list[str]:
        installed["cupti-python"] = cupti
        lines = []
        for number, change in enumerate(changes):
            trace = json.loads(json.dumps(found[number % 3]))
            libs = trace["evaluation"]["environment"]["libs"]
            libs |= change | {"fitui.evaluation": f"e{number}"}
            trace["evaluation"]["timestamp"] = f"2026-01-01T00:00:{number:02d}+00:00"
            lines.append(json.dumps(trace) + "\n")
        path.write_text("".join(lines))
        dataset = path.parents[3]
        asked = Request(
            run="r", created=0.0, dataset=[str(dataset)], devices=["cuda:0"], settings=LIMITS
        )
        with TraceStore.open([dataset], cache=tmp_path) as store:
            (job,) = make_plan(asked, store).jobs
            rows = done_before(store, job, asked, [GPU])
        return sorted(row.workload + ":" + row.timer for row in rows.values())

    return ask


def test_what_was_timed_in_the_same_way_stands(done: Callable[..., list[str]]) -> None:
    assert done({}, {}, {}) == ["w16:cupti", "w24:cupti", "w8:cupti"]


def test_a_lesser_timer_does_not_stand_beside_a_better_one(done: Callable[..., list[str]]) -> None:
    events = {"fitui.timer": "events-blocked"}
    assert done({}, events, {"fitui.timer": "kineto"}) == ["w8:cupti"]
    assert done(events, events, events) == [f"w{n}:events-blocked" for n in (16, 24, 8)]


def test_the_better_one_stands_though_a_lesser_one_is_newer(done: Callable[..., list[str]]) -> None:
    lesser = {"fitui.timer": "events"}
    assert done({}, {}, {}, lesser) == ["w16:cupti", "w24:cupti", "w8:cupti"]


def test_with_another_cupti_nothing_stands(done: Callable[..., list[str]]) -> None:
    assert done({}, {}, {}, cupti="") == []
    assert done({"cupti-python": ""}, {}, {}) == ["w16:cupti", "w24:cupti"]


def test_what_was_never_timed_stands_beside_any_timer(done: Callable[..., list[str]]) -> None:
    assert done({}, {"fitui.timer": ""}, {}) == ["w16:", "w24:cupti", "w8:cupti"]


def test_by_another_timer_asked_for_nothing_stands(
    done: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LIMITS, "timer", "flashinfer")
    assert done({}, {}, {}) == []
