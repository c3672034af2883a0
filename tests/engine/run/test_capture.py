"""What a child printed: the beginning, the end, and how much lies between."""

from __future__ import annotations

import pytest

from engine.run.capture import HEAD, TAIL, Capture


def captured(*pieces: bytes) -> Capture:
    capture = Capture()
    for piece in pieces:
        capture.feed(piece)
    return capture


def test_little_is_kept_whole() -> None:
    assert captured(b"a", b"", b"b\n").text() == "ab\n"


def test_nothing_is_nothing() -> None:
    assert captured().text() == ""


@pytest.mark.parametrize("size", [HEAD - 1, HEAD, HEAD + 1, HEAD + TAIL])
def test_everything_is_kept_up_to_the_bound(size: int) -> None:
    data = bytes(ord("a") + number % 26 for number in range(size))
    assert captured(data).text() == data.decode()


@pytest.mark.parametrize("piece", [1000, 1 << 16, 1 << 20])
def test_of_much_the_beginning_and_the_end_are_kept(piece: int) -> None:
    data = b"start" + b"x" * (1 << 20) + b"end"
    capture = captured(*(data[at : at + piece] for at in range(0, len(data), piece)))
    text = capture.text()
    left_out = len(data) - HEAD - TAIL
    assert capture.total == len(data)
    assert text.startswith("start")
    assert text.endswith("end")
    assert f"\n... {left_out} bytes left out ...\n" in text
    assert len(text) < HEAD + TAIL + 100


def test_one_byte_too_many_is_counted() -> None:
    assert "\n... 1 bytes left out ...\n" in captured(b"x" * (HEAD + TAIL + 1)).text()


def test_memory_is_bounded_however_much_is_printed() -> None:
    capture = Capture()
    for _ in range(200):
        capture.feed(b"x" * (1 << 16))
    assert len(capture._head) + len(capture._tail) <= HEAD + 2 * TAIL


def test_a_character_across_the_seam_is_whole() -> None:
    data = b"x" * (HEAD - 1) + "é".encode() + b"y"
    assert captured(data).text() == data.decode()


def test_what_is_no_text_is_shown_as_far_as_it_goes() -> None:
    assert captured(b"a\xffb").text() == "a�b"


def test_after_clearing_it_starts_afresh() -> None:
    capture = captured(b"x" * (HEAD + TAIL + 5))
    capture.clear()
    capture.feed(b"new")
    assert (capture.text(), capture.total) == ("new", 3)
