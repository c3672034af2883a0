"""The surroundings of the fixed dataset: its moment, its machine of three GPUs, its terminal.

Nothing of the computer that the tests run on is left to be seen on a screen: no clock, no time
zone, no home folder, no processor, no path.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from engine.run import occupancy, proc
from engine.store import visits
from fitui import clock
from tests.engine.run.fake_nvml import GIB, FakeGpu, machine
from tests.fitui.ui.fixed_files import DAY, FORMER, FORMER_SOLUTIONS, HOUR, NOW
from tests.fitui.ui.fixed_runs import LIVE, write_runs
from tests.fitui.ui.fixed_traces import write_fixed
from tests.fitui.ui.tiny_files import write

HERE = Path("/proc/self/cwd")
"""Another name of the folder that a test is in, the same wherever that is."""
ROOT = HERE / "flashinfer_trace"
STATE = HERE / "state"
DATA = HERE / "data"
EMPTY = HERE / "empty"
"""A folder with nothing in it."""
BOB = 4242
"""Process id of bob's python."""

_ENVIRONMENT = {
    "FITUI_STATE": str(STATE),
    "FITUI_DATA": str(DATA),
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "USER": "ada",
}
_UNSET = ("NO_COLOR", "COLORFGBG", "SSH_CONNECTION", "SSH_TTY", "TMUX", "LC_ALL", "EDITOR", "PAGER")


def write_everything(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Write the dataset and what is kept beside it: ``flashinfer_trace``, ``state``, ``data``."""
    patch.setenv("TZ", "UTC")
    time.tzset()
    write_fixed(folder / ROOT.name)
    state = folder / STATE.name
    write_runs(state, ROOT)
    kept = {
        "version": 1,
        "marks": {"GPU-cccc": "avoid"},
        "quarantined": {
            "GPU-cccc": {
                "reason": "memory did not come back",
                "time": NOW - 3 * HOUR,
                "run": "20261122-090000-0000",
            }
        },
    }
    (state / "devices.json").write_bytes(msgspec.json.encode(kept))
    for days, version, document in zip((12, 9), FORMER, FORMER_SOLUTIONS, strict=True):
        path = folder / DATA.name / "versions" / f"{version}.json"
        write(path, document)
        os.utime(path, (NOW - days * DAY, NOW - days * DAY))
    (folder / EMPTY.name).mkdir()


@contextmanager
def fixed_machine(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be on that machine, in that terminal, at that moment.

    Args:
        patch: Undone at the end.
    """
    for name, value in _ENVIRONMENT.items():
        patch.setenv(name, value)
    for name in _UNSET:
        patch.delenv(name, raising=False)
    time.tzset()
    patch.setattr(clock, "now", lambda: NOW)
    patch.setattr(visits, "read", lambda: visits.Visits(last=NOW - 1.5 * HOUR, present=NOW))
    patch.setattr("engine.run.client.is_running", lambda _queue, run: run == LIVE)
    patch.setattr("engine.run.client.start_runner", lambda _state: None)
    patch.setattr("engine.run.devices._processor", lambda: "CPU of 64 cores")
    patch.setattr("os.getloadavg", lambda: (1.0, 1.5, 2.0))
    patch.setattr(occupancy, "_main_memory", lambda: (37 * GIB, 512 * GIB))
    facts = proc.Facts(BOB, 1, 1001, "python")
    patch.setattr(occupancy, "read_facts", lambda _pid: facts)
    patch.setattr(occupancy, "lineage", lambda pid: [pid])
    patch.setattr(occupancy, "exists", lambda _pid: True)
    patch.setattr(occupancy, "user_name", lambda _uid: "bob")
    patch.setattr(sys, "stdout", _Utf8(sys.stdout))
    idle = FakeGpu("GPU-aaaa", memory=(141 * GIB, 0))
    busy = FakeGpu("GPU-bbbb", memory=(141 * GIB, 80 * GIB), utilisation=97, clock=1500)
    busy.reasons, busy.temperature, busy.compute = 0x4, 71, {BOB: 80 * GIB}
    spoilt = FakeGpu("GPU-cccc", memory=(141 * GIB, 9 * GIB), ecc=2)
    with machine(idle, busy, spoilt):
        yield
    patch.undo()
    time.tzset()


class _Utf8:
    """Standard output that says it is UTF-8, as charts ask."""

    encoding = "utf-8"

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
