"""`fitui devices`: the table, its JSON, and what is remembered."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.run import devices, occupancy, preferences, proc
from engine.run.devices import find_devices, list_devices
from engine.run.locks import DeviceLock
from engine.run.proc import user_name
from fitui.cli import doctor, main
from tests.engine.run.fake_nvml import GIB, FakeGpu, forget_devices, machine

ALICE = 4242


class Console:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.error = ""

    def run(self, *arguments: str, status: int = 0) -> str:
        found = main(["devices", *arguments])
        printed = self._capsys.readouterr()
        self.error = printed.err
        assert found == status, printed.err
        return printed.out

    def json(self, *arguments: str) -> dict[str, Any]:
        rows = [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]
        return {row["device"]: row for row in rows}


@pytest.fixture
def console(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Console:
    preferences.take_notices()
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    return Console(capsys)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeGpu, FakeGpu]]:
    """Two GPUs; alice's python works on the second."""
    facts = proc.Facts(ALICE, 1, 1001, "python")
    monkeypatch.setattr(occupancy, "read_facts", lambda pid: facts)
    monkeypatch.setattr(occupancy, "lineage", lambda pid: [pid])
    monkeypatch.setattr(occupancy, "exists", lambda pid: True)
    monkeypatch.setattr(occupancy, "user_name", lambda uid: "alice")
    first = FakeGpu("GPU-aaaa", memory=(141 * GIB, 0))
    second = FakeGpu("GPU-bbbb", memory=(141 * GIB, 80 * GIB), utilisation=97, clock=1500)
    second.reasons, second.temperature, second.compute = 0x4, 71, {ALICE: 80 * GIB}
    with machine(first, second):
        yield first, second


def test_the_table_shows_what_there_is_to_say(
    console: Console, gpus: tuple[FakeGpu, FakeGpu]
) -> None:
    titles, first, second, cpu = (re.sub(" +", " ", line) for line in console.run().splitlines())
    assert titles == "device hardware memory busy MHz °C throttled others"
    assert first == "cuda:0 NVIDIA H200 0 MiB/141 GiB 0% 1980/1980 31 - -"
    assert second.startswith("cuda:1 NVIDIA H200 80 GiB/141 GiB 97% 1500/1980 71 power cap")
    assert second.endswith("power cap alice: python (80 GiB)")
    assert cpu.startswith("cpu CPU") and " load " in cpu


def test_json_is_one_object_a_device(console: Console, gpus: tuple[FakeGpu, FakeGpu]) -> None:
    rows = console.json()
    assert list(rows) == ["cuda:0", "cuda:1", "cpu"]
    busy = rows["cuda:1"]
    assert busy["key"] == "GPU-bbbb" and busy["capability"] == "90" and busy["unfit"] == ""
    assert busy["state"]["throttled"] == ["power cap"]
    assert busy["others"]["known"] is True
    assert busy["others"]["foreign"] == [
        {"pid": ALICE, "user": "alice", "command": "python", "memory": 80 * GIB}
    ]
    assert rows["cuda:0"]["lock"] is rows["cuda:0"]["quarantine"] is None
    assert len(rows["cpu"]["load"]) == 3


def test_who_holds_the_lock_is_shown(console: Console, gpus: tuple[FakeGpu, FakeGpu]) -> None:
    lock = DeviceLock(list_devices()[0])
    assert lock.acquire()
    user = user_name(os.getuid())
    assert f"{user} ({os.getpid()})" in console.run().splitlines()[1]
    assert console.json()["cuda:0"]["lock"] == {"pid": os.getpid(), "user": user}
    lock.close()


def test_marks_are_remembered_and_shown(console: Console, gpus: tuple[FakeGpu, FakeGpu]) -> None:
    assert console.json("--avoid", "cuda:0")["cuda:0"]["mark"] == "avoid"
    assert console.error == "fitui: cuda:0 is avoided from now on\n"
    assert [device.name for device in find_devices("idle")] == ["cuda:1"]
    rows = console.json("--forget", "cuda:0", "--use", "GPU-a", "cuda:1")
    assert [rows[name]["mark"] for name in ("cuda:0", "cuda:1")] == ["", "use"]
    assert "cuda:0 is marked for use" in console.error
    assert "cuda:0 has no mark any more; it was 'use'" in console.error
    console.run("--forget", "cuda:0,1")
    assert "cuda:0 had no mark" in console.error
    assert preferences.marks() == {}


def test_what_is_in_quarantine_is_shown_and_put_back(
    console: Console, gpus: tuple[FakeGpu, FakeGpu], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    preferences.quarantine("GPU-aaaa", "memory did not\x1b[31m come back", "run-1")
    assert "quarantined just now: memory did not come back (run run-1)" in console.run()
    monkeypatch.setattr("time.time", lambda: now + 7300)
    assert "quarantined 2h ago: memory" in console.run()
    assert console.json()["cuda:0"]["quarantine"]["run"] == "run-1"
    console.run("--release", "cuda:0")
    assert console.error == (
        "fitui: cuda:0 is back; it was quarantined 2h ago: memory did not come back (run run-1)\n"
    )
    console.run("--release", "cuda:0")
    assert "was not in quarantine" in console.error


def test_a_gpu_that_is_unfit_says_why(console: Console, gpus: tuple[FakeGpu, FakeGpu]) -> None:
    gpus[0].ecc = 3
    assert "3 uncorrectable memory errors" in console.run()
    assert console.json()["cuda:0"]["unfit"].startswith("3 uncorrectable")


def test_a_gpu_that_is_gone_can_still_be_forgotten(
    console: Console, gpus: tuple[FakeGpu, FakeGpu]
) -> None:
    preferences.mark("GPU-gone", "avoid")
    console.run("--forget", "GPU-gone")
    assert preferences.marks() == {}
    console.run("--forget", "GPU-gone", status=2)
    assert "no device GPU-gone here" in console.error


def test_nothing_is_changed_where_one_name_is_wrong(
    console: Console, gpus: tuple[FakeGpu, FakeGpu]
) -> None:
    console.run("--avoid", "cuda:0", "cuda:7", status=2)
    assert "no device cuda:7 here; there is cuda:0, cuda:1, cpu" in console.error
    console.run("--avoid", "cpu", status=2)
    assert "the CPU takes no marks" in console.error
    assert preferences.marks() == {}


def test_a_broken_file_is_told_of(console: Console, gpus: tuple[FakeGpu, FakeGpu]) -> None:
    path = preferences.preferences_file()
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert len(console.run().splitlines()) == 4
    assert console.error.count("was not usable") == 1


def test_it_works_without_a_gpu(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.run.nvml.load", lambda: None)
    monkeypatch.setattr(devices, "_ask_tool", list)
    forget_devices()
    titles, cpu = console.run().splitlines()
    assert titles.split() == ["device", "hardware", "memory", "busy"]
    assert cpu.startswith("cpu")
    forget_devices()


def test_the_doctor_tells_of_gpus_that_are_not_used(gpus: tuple[FakeGpu, FakeGpu]) -> None:
    preferences.quarantine("GPU-aaaa", "it is stuck", "")
    gpus[1].ecc = 3
    first, second, _, *rates = doctor._devices()
    assert [finding.what for finding in rates] == ["cuda:0 rates", "cuda:1 rates"]
    assert {finding.found for finding in rates} == {"measured once, with the first run"}
    assert (first.level, "it is stuck" in first.found) == (doctor.NOTE, True)
    assert first.fix == "once it is well: fitui devices --release cuda:0"
    assert (second.level, "3 uncorrectable" in second.found) == (doctor.BAD, True)


def test_the_doctor_says_what_is_missing_without_nvml(
    gpus: tuple[FakeGpu, FakeGpu],
) -> None:
    list_devices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.run.nvml.load", lambda: None)
        finding = doctor._devices()[-1]
    assert (finding.what, finding.level) == ("NVML", doctor.NOTE)
    assert finding.fix == "pip install nvidia-ml-py"
