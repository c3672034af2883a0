"""The log of a build grows while compilers speak, and stays small."""

from __future__ import annotations

from pathlib import Path

from engine.build.build_log import MOST_KEPT, BuildLog, Voice


def test_each_speaker_has_a_heading_where_it_takes_over(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "log")
    first = Voice(log, "a.cc", Path("/s"))
    second = Voice(log, "b.cc", Path("/s"))
    first.hear(b"one\ntw")
    assert (tmp_path / "log").read_text() == "== a.cc\n== b.cc\n== a.cc\none\n"
    second.hear(b"/s/b.cc:1:2: error: no\n")
    first.hear(b"o")
    first.end()
    said = (tmp_path / "log").read_text()
    assert said.endswith("one\n== b.cc\nb.cc:1:2: error: no\n== a.cc\ntwo\n")
    assert said == log.text()
    assert first.text() == "== a.cc\none\ntwo\n"
    assert str(second.error) == "b.cc:1: error: no"


def test_a_file_that_comes_later_gets_all_of_it_once(tmp_path: Path) -> None:
    log = BuildLog()
    log.write("a", "x\n")
    log.attach(tmp_path / "late")
    log.attach(tmp_path / "late")
    log.write("a", "y\n")
    assert (tmp_path / "late").read_text() == "== a\nx\ny\n"


def test_what_was_in_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    BuildLog(tmp_path / "log").write("a", "x\n")
    assert (tmp_path / "log").read_text() == "before\n== a\nx\n"


def test_it_keeps_the_beginning_and_says_that_it_was_cut(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "log")
    for number in range(3):
        log.write("a", f"{number}" * (MOST_KEPT // 2) + "\n")
    text = (tmp_path / "log").read_text()
    assert text == log.text()
    assert len(text) < MOST_KEPT + 100
    assert text.endswith("\n[cut here: the compilers said more than fits]\n")


def test_an_error_after_much_noise_is_still_found_and_shown() -> None:
    voice = Voice(BuildLog(), "a.cc", Path("/s"))
    for _ in range(2000):
        voice.hear(b"a.cc:1:1: warning: " + b"x" * 1000 + b"\n")
    voice.hear(b"a.cc:7:1: error: here\n")
    voice.hear(b"y\n" * 50_000)
    voice.end()
    assert str(voice.error) == "a.cc:7: error: here"
    assert "a.cc:7:1: error: here" in voice.text()
    assert len(voice.text()) < 100_000


def test_a_line_without_an_end_and_bytes_that_are_no_text_are_taken() -> None:
    log = BuildLog()
    voice = Voice(log, "a", Path("/s"))
    voice.hear(b"\xff" * (1 << 20))
    voice.end()
    assert len(log.text()) >= MOST_KEPT


def test_a_file_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "no" / "folder")
    log.write("a", "x\n")
    assert log.text() == "== a\nx\n"
