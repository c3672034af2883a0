"""The folder of built libraries does not fill the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from engine.build.cache import BUILDING, LIBRARY, touch, trim

DAY = 24 * 3600


def build(root: Path, name: str, size: int, days: float) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / LIBRARY).write_bytes(b"x" * size)
    then = time.time() - days * DAY
    os.utime(folder, (then, then))
    return folder


def test_the_longest_unused_go_until_the_rest_fits(tmp_path: Path) -> None:
    for number in range(5):
        build(tmp_path, f"b{number}", 100, days=10 - number)
    assert trim(tmp_path, 250) == 300
    assert sorted(item.name for item in tmp_path.iterdir()) == ["b3", "b4"]


def test_what_was_used_within_a_day_stays(tmp_path: Path) -> None:
    build(tmp_path, "new", 100, days=0.5)
    touch(build(tmp_path, "touched", 100, days=9))
    build(tmp_path, "old", 100, days=1.5)
    trim(tmp_path, 0)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["new", "touched"]


def test_what_fits_stays(tmp_path: Path) -> None:
    build(tmp_path, "old", 100, days=100)
    assert trim(tmp_path, 100) == 0


def test_what_killed_builders_left_goes_after_a_day(tmp_path: Path) -> None:
    build(tmp_path, f"{BUILDING}old", 100, days=2)
    build(tmp_path, f"{BUILDING}now", 100, days=0)
    assert trim(tmp_path) == 100
    assert [item.name for item in tmp_path.iterdir()] == [f"{BUILDING}now"]


def test_no_cache_is_no_error(tmp_path: Path) -> None:
    assert trim(tmp_path / "none") == 0
    touch(tmp_path / "none")
