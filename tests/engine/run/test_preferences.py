"""What is remembered of devices: by several processes at once, and past a broken file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.run import preferences

ROOT = Path(__file__).parents[3]

EDITOR = """
import sys
from engine.run import preferences
for number in range(25):
    preferences.mark(f"GPU-{sys.argv[1]}-{number}", "avoid")
    preferences.quarantine(f"GPU-{sys.argv[1]}-{number}", "stuck", "run-1")
    preferences.release(f"GPU-{sys.argv[1]}-{number - 1}")
"""


@pytest.fixture(autouse=True)
def no_notices() -> None:
    preferences.take_notices()


def test_nothing_is_remembered_at_first_and_looking_makes_no_files() -> None:
    assert preferences.marks() == {}
    assert preferences.quarantined() == {}
    assert not preferences.preferences_file().parent.exists()


def test_marks_are_kept_until_they_are_forgotten() -> None:
    preferences.mark("GPU-a", "avoid")
    preferences.mark("GPU-b", "avoid")
    preferences.mark("GPU-a", "use")
    assert preferences.marks() == {"GPU-a": "use", "GPU-b": "avoid"}
    assert preferences.forget("GPU-a") == "use"
    assert preferences.forget("GPU-a") is None
    assert preferences.marks() == {"GPU-b": "avoid"}


def test_a_quarantine_lasts_until_it_is_released() -> None:
    before = time.time()
    preferences.quarantine("GPU-a", "memory did not come back", "run-1")
    preferences.quarantine("GPU-a", "lost", "run-2")
    (found,) = preferences.quarantined().values()
    assert (found.reason, found.run) == ("memory did not come back", "run-1")
    assert before <= found.time <= time.time()
    assert preferences.release("GPU-a") == found
    assert preferences.release("GPU-a") is None
    assert preferences.quarantined() == {}


def test_several_processes_edit_without_losing_anything() -> None:
    editors = [
        subprocess.Popen(
            [sys.executable, "-c", EDITOR, str(number)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for number in range(3)
    ]
    while any(editor.poll() is None for editor in editors):
        preferences.marks()
    assert [editor.returncode for editor in editors] == [0, 0, 0]
    assert len(preferences.marks()) == 75
    assert sorted(preferences.quarantined()) == ["GPU-0-24", "GPU-1-24", "GPU-2-24"]
    assert preferences.take_notices() == []


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"version": 2}', '{"version": 1, "marks": {"GPU-a": "like"}}', "\x00" * 20],
)
def test_a_broken_file_is_set_aside_and_stops_nothing(text: str) -> None:
    path = preferences.preferences_file()
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert preferences.marks() == {}
    (notice,) = preferences.take_notices()
    assert "was not usable" in notice and "devices.damaged" in notice
    assert path.with_suffix(".damaged").read_text() == text
    assert not path.exists()
    preferences.mark("GPU-a", "use")
    assert preferences.marks() == {"GPU-a": "use"}
    assert preferences.take_notices() == []


def test_an_edit_of_a_broken_file_begins_anew() -> None:
    path = preferences.preferences_file()
    path.parent.mkdir(parents=True)
    path.write_text("{")
    preferences.quarantine("GPU-a", "stuck", "")
    assert list(preferences.quarantined()) == ["GPU-a"]
    assert len(preferences.take_notices()) == 1
    assert json.loads(path.read_text())["version"] == 1


def test_a_file_that_cannot_be_read_stops_nothing() -> None:
    preferences.preferences_file().mkdir(parents=True)
    assert preferences.marks() == {}
    assert preferences.quarantined() == {}
    (notice,) = preferences.take_notices()
    assert "cannot be read" in notice
    with pytest.raises(OSError):
        preferences.mark("GPU-a", "use")
