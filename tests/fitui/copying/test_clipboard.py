"""Where a copied text goes."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from fitui.copying.clipboard import MOST_ENCODED, deliver, encoded_size, size_words
from fitui.copying.texts import Copy


def test_the_text_lies_in_a_file_and_the_sentence_says_so(tmp_path: Path) -> None:
    found = deliver(Copy("a ü\n", "name"), tmp_path / "state", {})
    assert (tmp_path / "state/clip.txt").read_text() == "a ü\n" == found.text
    assert found.sentence == f"copied name, 5 B: clipboard, {tmp_path / 'state/clip.txt'}"
    assert list((tmp_path / "state").iterdir()) == [tmp_path / "state/clip.txt"]


def test_what_is_too_large_for_the_terminal_is_in_the_file_alone(tmp_path: Path) -> None:
    most = MOST_ENCODED // 4 * 3
    assert encoded_size("x" * most) == len(base64.b64encode(b"x" * most)) <= MOST_ENCODED
    assert deliver(Copy("x" * most, "JSON"), tmp_path, {}).text
    found = deliver(Copy("x" * (most + 1), "JSON"), tmp_path, {})
    assert found.text == ""
    assert "too large for the clipboard" in found.sentence and "56.2 kB" in found.sentence
    assert (tmp_path / "clip.txt").stat().st_size == most + 1


def test_a_folder_that_cannot_be_written_loses_only_the_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    found = deliver(Copy("x", "name"), tmp_path / "state", {})
    assert found.text == "x" and found.file is None
    assert "clip.txt could not be written" in found.sentence


def test_half_a_character_does_not_break_it(tmp_path: Path) -> None:
    assert deliver(Copy("a\ud800b", "name"), tmp_path, {}).text == "a?b"


def test_a_note_is_said(tmp_path: Path) -> None:
    assert deliver(Copy("x", "command", "mind it"), tmp_path, {}).sentence.endswith("; mind it")


def test_sizes() -> None:
    assert [size_words(size) for size in (0, 999, 12_345, 4_000_000)] == [
        *("0 B", "999 B", "12.3 kB", "4.0 MB")
    ]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
def test_tmux_gets_it_too(tmp_path: Path) -> None:
    socket = tmp_path / f"tmux-{uuid.uuid4().hex[:6]}"
    tmux = ["tmux", "-S", str(socket)]
    plain = {**os.environ, "TERM": "xterm-256color"}
    plain.pop("TMUX", None)
    subprocess.run([*tmux, "-f", "/dev/null", "new-session", "-d", "cat"], check=True, env=plain)
    try:
        found = deliver(Copy("to tmux\n", "name"), tmp_path, {**plain, "TMUX": f"{socket},1,0"})
        assert found.tmux and "clipboard, tmux, " in found.sentence
        shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, text=True, env=plain)
        assert shown.stdout == "to tmux\n"
    finally:
        subprocess.run([*tmux, "kill-server"], check=True, env=plain)


def test_a_tmux_that_is_gone_is_not_claimed(tmp_path: Path) -> None:
    nobody = {**os.environ, "TMUX": f"{tmp_path / 'gone'},1,0"}
    assert not deliver(Copy("x", "name"), tmp_path, nobody).tmux
