"""What a GPU was seen to do, kept once per GPU and driver. Nothing here knows torch."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import msgspec
from msgspec import Struct, field

from engine.measure.roofline import Ceilings

VERSION = 1
"""Of what is measured and how; a file of another one is made again."""


class Calibration(Struct, kw_only=True, frozen=True):
    """Floors and ceilings of one GPU under one driver.

    Args:
        timer: By which times were taken.
        empty_call_us: Median of a call that launches one kernel that does nothing: what is
            faster has not used the GPU.
        event_floor_us: Median of what two events with nothing in between are apart.
        granularity_ns: The smallest difference that was seen between two times.
        intercept_us: What a kernel's time is longer than its work, from kernels of known cycles.
        clock_mhz: Of the multiprocessors under that load.
        ceilings: The best that was seen of memory and matrix units.
        made: Unix time in seconds.
        versions: Of torch and CUDA.
    """

    timer: str
    empty_call_us: float
    event_floor_us: float
    granularity_ns: int
    intercept_us: float
    clock_mhz: float
    ceilings: Ceilings
    made: float = field(default_factory=time.time)
    versions: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


def calibration_path(folder: Path, uuid: str, driver: str) -> Path:
    """Where the calibration of a GPU under a driver lies."""
    return (
        folder
        / "calibration"
        / (re.sub(r"[^\w.-]", "_", f"{uuid}-{driver or 'unknown'}") + ".json")
    )


def read_calibration(path: Path) -> Calibration | None:
    """A calibration that was kept; None where there is none of this version."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.version == VERSION else None


def keep_calibration(path: Path, calibration: Calibration) -> None:
    """Keep a calibration; whoever reads at the same time finds the former or this one.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=2))
    part.replace(path)
