"""Memory files: sealed by the sender, refused by the receiver if they are not."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.run.memory import ALIGNMENT, SEALS, UnsealedMemory, aligned, map_sealed, write_sealed


@pytest.fixture
def sealed() -> Iterator[Callable[..., int]]:
    """Writes parts and closes the file at the end."""
    made: list[int] = []

    def write(*parts: bytes) -> int:
        made.append(write_sealed(memoryview(part) for part in parts))
        return made[-1]

    yield write
    for descriptor in made:
        os.close(descriptor)


def test_every_part_starts_at_the_alignment(sealed: Callable[..., int]) -> None:
    mapped = map_sealed(sealed(b"one", b"", b"x" * (ALIGNMENT + 1), b"four"))
    assert mapped is not None
    assert mapped[:3] == b"one"
    assert mapped[ALIGNMENT : 2 * ALIGNMENT + 1] == b"x" * (ALIGNMENT + 1)
    assert mapped[3 * ALIGNMENT :] == b"four"


@pytest.mark.parametrize(
    ("offset", "start"), [(0, 0), (1, ALIGNMENT), (ALIGNMENT, ALIGNMENT), (65, 128)]
)
def test_the_alignment_is_the_next_multiple(offset: int, start: int) -> None:
    assert aligned(offset) == start


def test_parts_of_wider_elements_are_written_as_bytes() -> None:
    descriptor = write_sealed([memoryview(b"abcdefgh").cast("I")])
    mapped = map_sealed(descriptor)
    assert mapped is not None
    assert mapped[:] == b"abcdefgh"
    os.close(descriptor)


def test_a_part_may_come_in_pieces_that_share_their_place() -> None:
    place = bytearray(3)

    def pieces() -> Iterator[memoryview]:
        for text in (b"abc", b"def", b"gh"):
            place[: len(text)] = text
            yield memoryview(place)[: len(text)]

    descriptor = write_sealed([memoryview(b"first"), pieces(), memoryview(b"last")])
    mapped = map_sealed(descriptor)
    assert mapped is not None
    assert mapped[ALIGNMENT : 2 * ALIGNMENT] == b"abcdefgh".ljust(ALIGNMENT, b"\0")
    assert mapped[2 * ALIGNMENT :] == b"last"
    os.close(descriptor)


def test_nothing_at_all_is_no_mapping(sealed: Callable[..., int]) -> None:
    assert map_sealed(sealed()) is None
    assert map_sealed(sealed(b"", b"")) is None


def test_the_sender_cannot_write_any_more(sealed: Callable[..., int]) -> None:
    descriptor = sealed(b"fixed")
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"!", 0)


@pytest.mark.parametrize("length", [0, 2, 1 << 20])
def test_the_sender_cannot_change_the_length(sealed: Callable[..., int], length: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(sealed(b"fixed"), length)


def test_the_sender_cannot_map_it_for_writing(sealed: Callable[..., int]) -> None:
    import mmap

    with pytest.raises(PermissionError):
        mmap.mmap(sealed(b"fixed"), 5, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def test_another_process_cannot_write_it_by_its_path(sealed: Callable[..., int]) -> None:
    descriptor = sealed(b"fixed")
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    code = "import os, sys; os.write(os.open(sys.argv[1], os.O_RDWR), b'!')"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "PermissionError" in done.stderr
    assert os.pread(descriptor, 5, 0) == b"fixed"


def test_a_receivers_write_lands_in_a_copy_of_its_own(sealed: Callable[..., int]) -> None:
    descriptor = sealed(b"fixed")
    mapped = map_sealed(descriptor)
    assert mapped is not None
    mapped[0] = ord("F")
    assert os.pread(descriptor, 5, 0) == b"fixed"


@pytest.mark.parametrize(
    "seals",
    [
        0,
        SEALS & ~fcntl.F_SEAL_WRITE,
        SEALS & ~fcntl.F_SEAL_SHRINK,
        SEALS & ~fcntl.F_SEAL_GROW,
    ],
)
def test_a_file_that_can_still_change_is_refused(seals: int) -> None:
    descriptor = os.memfd_create("open", os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"x")
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    with pytest.raises(UnsealedMemory, match="not sealed"):
        map_sealed(descriptor)
    os.close(descriptor)


def test_a_file_on_disk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as stream, pytest.raises(UnsealedMemory):
        map_sealed(stream.fileno())


def test_a_pipe_is_refused() -> None:
    read, write = os.pipe()
    with pytest.raises(UnsealedMemory, match="not a memory file"):
        map_sealed(read)
    os.close(read)
    os.close(write)


def test_a_part_that_cannot_be_written_leaves_nothing_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    def parts() -> Iterator[memoryview]:
        yield memoryview(b"first")
        raise RuntimeError("no second part")

    with pytest.raises(RuntimeError):
        write_sealed(parts())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
