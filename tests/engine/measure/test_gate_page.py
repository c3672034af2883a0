"""The page that child and guardian share, in one real memory file mapped twice."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import pytest

from engine.measure import gate_page


@pytest.fixture
def pages() -> Iterator[tuple[mmap.mmap, mmap.mmap]]:
    """The child's and the guardian's view of one page."""
    descriptor = os.memfd_create("gate")
    os.ftruncate(descriptor, gate_page.SIZE)
    child, guardian = (mmap.mmap(descriptor, gate_page.SIZE) for _ in range(2))
    os.close(descriptor)
    with child, guardian:
        yield child, guardian


def flag(page: mmap.mmap) -> int:
    return int(struct.unpack_from("<i", page)[0])


def test_a_new_page_is_not_armed(pages: tuple[mmap.mmap, mmap.mmap]) -> None:
    assert gate_page.armed_at(pages[1]) == 0


def test_arming_closes_the_gate_and_tells_the_guardian_when(
    pages: tuple[mmap.mmap, mmap.mmap],
) -> None:
    child, guardian = pages
    gate_page.arm(child, 123_456_789_012)
    assert (flag(guardian), gate_page.armed_at(guardian)) == (0, 123_456_789_012)


def test_the_child_opens_its_own_gate(pages: tuple[mmap.mmap, mmap.mmap]) -> None:
    child, guardian = pages
    gate_page.arm(child, 1)
    assert gate_page.disarm(child) is False
    assert (flag(guardian), gate_page.armed_at(guardian)) == (1, 0)


def test_the_child_learns_that_the_guardian_opened_it(pages: tuple[mmap.mmap, mmap.mmap]) -> None:
    child, guardian = pages
    gate_page.arm(child, 1)
    gate_page.release(guardian)
    assert (flag(child), gate_page.armed_at(child)) == (1, 0)
    assert gate_page.disarm(child) is True


def test_the_next_call_starts_afresh(pages: tuple[mmap.mmap, mmap.mmap]) -> None:
    child, guardian = pages
    gate_page.arm(child, 1)
    gate_page.release(guardian)
    gate_page.disarm(child)
    gate_page.arm(child, 2)
    assert (flag(guardian), gate_page.armed_at(guardian)) == (0, 2)
    assert gate_page.disarm(child) is False
