"""What a GPU was seen to do, as a file."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from engine.measure.calibration import (
    VERSION,
    Calibration,
    calibration_path,
    keep_calibration,
    read_calibration,
)
from engine.measure.roofline import Ceilings

KNOWN = Calibration(
    timer="cupti",
    empty_call_us=1.0,
    event_floor_us=2.0,
    granularity_ns=32,
    intercept_us=0.5,
    clock_mhz=1980.0,
    ceilings=Ceilings(read_gb_s=4000, copy_gb_s=4000, l2_bytes=60 << 20, tflops={"bf16": 800}),
)


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    path = calibration_path(tmp_path, "GPU-1/2", "580.1")
    assert path.parent == tmp_path / "calibration"
    assert read_calibration(path) is None
    keep_calibration(path, KNOWN)
    assert read_calibration(path) == KNOWN
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_another_version_or_a_broken_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "calibration" / "a.json"
    keep_calibration(path, structs.replace(KNOWN, version=VERSION + 1))
    assert read_calibration(path) is None
    path.write_text("{")
    assert read_calibration(path) is None


def test_each_driver_has_its_own(tmp_path: Path) -> None:
    paths = {calibration_path(tmp_path, "GPU-1", driver) for driver in ("1", "2", "")}
    assert len(paths) == 3
