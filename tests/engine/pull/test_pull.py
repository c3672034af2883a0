"""What a pull does with what is there already, and with a pull that broke off."""

from __future__ import annotations

import fcntl
import os
import resource
import threading
from pathlib import Path

import pytest

from engine.pull import Selection, State
from tests.engine.pull.small_dataset import (
    GEMM,
    ONE,
    TWO,
    content,
    documents,
    fetch,
    paths,
    put,
)
from tests.engine.pull.small_hub import SmallHub

# Going on


def test_a_connection_that_dies_is_taken_up_where_it_broke(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    files[ONE] = os.urandom(12 << 20)
    small_hub.publish(files)
    small_hub.cut[ONE] = 11 << 20
    small_hub.cut[GEMM] = 20
    assert fetch(small_hub, folder, blobs=True).complete
    # huggingface_hub goes on at whole pieces of 10 MiB.
    assert small_hub.ranges == [(ONE, f"bytes={10 << 20}-")]
    assert (folder / ONE).read_bytes() == files[ONE]
    assert (folder / GEMM).read_bytes() == files[GEMM]


def test_what_was_done_before_a_refusal_is_kept(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    small_hub.refuse[ONE] = 403
    stopped = fetch(small_hub, folder, blobs=True)
    assert not stopped.complete
    assert "403 Forbidden" in stopped.stopped
    assert ONE in paths(stopped, State.LEFT)
    assert documents(files).items() <= content(folder).items()

    small_hub.refuse.clear()
    small_hub.forget()
    assert fetch(small_hub, folder, blobs=True).complete
    assert ONE in small_hub.sent
    assert not documents(files).keys() & set(small_hub.sent)


def test_after_a_refusal_nothing_more_is_asked_for(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    small_hub.refuse = dict.fromkeys(files, 403)
    report = fetch(small_hub, folder)
    asked = [path for method, path in small_hub.asked if "/resolve/" in path]
    assert len(asked) <= 8 < len(paths(report, State.LEFT)) == len(documents(files))


@pytest.mark.parametrize(
    ("path", "length", "reason"),
    [
        (GEMM, 295, f"{GEMM} arrived damaged; pull again"),
        (ONE, 20, f"{ONE} could not be fetched (Consistency check failed: "),
    ],
)
def test_a_file_that_cannot_be_had_costs_no_other(
    small_hub: SmallHub,
    folder: Path,
    files: dict[str, bytes],
    path: str,
    length: int,
    reason: str,
) -> None:
    small_hub.damage[path] = b"x" * length
    report = fetch(small_hub, folder, blobs=True)
    (failed,) = report.of(State.FAILED)
    assert failed.path == path
    assert failed.reason.startswith(reason)
    assert not (folder / path).exists()
    assert len(content(folder)) == len(documents(files)) + 1


def test_what_a_killed_pull_left_goes_and_what_another_one_uses_stays(
    small_hub: SmallHub, folder: Path
) -> None:
    left, used = folder / ".fitui-pull-left", folder / ".fitui-pull-used"
    left.mkdir(parents=True)
    used.mkdir()
    descriptor = os.open(used, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        fetch(small_hub, folder)
        assert (left.exists(), used.exists()) == (False, True)
    finally:
        os.close(descriptor)


def test_a_full_disk_stops_the_pull_and_keeps_what_was_done(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        report = fetch(small_hub, folder, blobs=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "File too large" in report.stopped
    assert content(folder).items() >= documents(files).items()
    assert not (folder / ONE).exists()


# What changes


def test_a_newer_revision_replaces_what_nobody_touched(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    old = small_hub.branches["main"]
    fetch(small_hub, folder)
    newer = {**files, GEMM: files[GEMM] + b"\n"}
    small_hub.publish(newer)
    small_hub.forget()
    report = fetch(small_hub, folder)
    assert small_hub.sent == [GEMM]
    assert paths(report, State.FETCHED) == [GEMM]
    assert (folder / GEMM).read_bytes() == newer[GEMM]

    assert fetch(small_hub, folder, revision=old).commit == old
    assert (folder / GEMM).read_bytes() == files[GEMM], "and back again"


def test_a_file_that_moved_into_git_lfs_is_still_known_as_pulled(
    small_hub: SmallHub,
    folder: Path,
    files: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetch(small_hub, folder)
    small_hub.publish({**files, GEMM: files[GEMM] + b"\n"})
    monkeypatch.setattr("tests.engine.pull.small_hub.is_large", lambda path: path == GEMM)
    assert paths(fetch(small_hub, folder), State.FETCHED) == [GEMM]


def test_what_was_changed_here_is_kept_and_named(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    fetch(small_hub, folder)
    (folder / GEMM).write_bytes(b"mine")
    for change in (b"", b"\n"):
        small_hub.publish({**files, GEMM: files[GEMM] + change})
        report = fetch(small_hub, folder)
        assert paths(report, State.KEPT) == [GEMM]
        assert report.complete
        assert (folder / GEMM).read_bytes() == b"mine"
    fetch(small_hub, folder, force=True)
    assert (folder / GEMM).read_bytes() == files[GEMM] + b"\n"


def test_what_is_changed_while_it_is_fetched_is_kept(small_hub: SmallHub, folder: Path) -> None:
    fetch(small_hub, folder, Selection(op_types=["norm"]))

    def write(path: str) -> None:
        if path == GEMM:
            (folder / GEMM).parent.mkdir()
            (folder / GEMM).write_bytes(b"mine")

    small_hub.before = write
    report = fetch(small_hub, folder)
    assert paths(report, State.KEPT) == [GEMM]
    assert (folder / GEMM).read_bytes() == b"mine"


def test_without_a_record_nothing_that_differs_is_replaced(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    fetch(small_hub, folder)
    (record,) = (tmp_path / "fitui-state" / "pulls").iterdir()
    record.unlink()
    small_hub.publish({**files, GEMM: files[GEMM] + b"\n"})
    assert paths(fetch(small_hub, folder), State.KEPT) == [GEMM]


def test_a_record_that_was_cut_short_loses_one_line_only(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    fetch(small_hub, folder)
    (record,) = (tmp_path / "fitui-state" / "pulls").iterdir()
    record.write_bytes(record.read_bytes() + b'\n{"repo":"lab/ker')
    for change in (b"\n", b"\n\n"):
        small_hub.publish({**files, GEMM: files[GEMM] + change})
        assert paths(fetch(small_hub, folder), State.FETCHED) == [GEMM]


def test_what_is_withdrawn_stays_and_is_named(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    fetch(small_hub, folder)
    del files[GEMM]
    small_hub.publish(files)
    assert fetch(small_hub, folder).withdrawn == [GEMM]
    assert (folder / GEMM).exists()


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    report = fetch(small_hub, folder, blobs=True, dry_run=True)
    assert set(paths(report, State.FETCHED)) == {*documents(files), ONE, TWO}
    assert not folder.exists()
    assert not (tmp_path / "fitui-state").exists()
    assert all(path.startswith("workloads/") for path in small_hub.sent), "to know their blobs"

    put(folder, files)
    assert paths(fetch(small_hub, folder, dry_run=True), State.FETCHED) == []
    assert not (tmp_path / "fitui-state").exists()


def test_progress_counts_every_file(small_hub: SmallHub, folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    here = threading.current_thread()

    def told(outcome: object, done: int, total: int) -> None:
        assert threading.current_thread() is here
        seen.append((done, total))

    report = fetch(small_hub, folder, progress=told)
    number = len(report.outcomes)
    assert seen == [(done, number) for done in range(1, number + 1)]


def test_other_files_of_the_folder_are_not_touched(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    paths = ("solutions/me/gemm/gemm/mine.json", "notes.txt", ".git/HEAD")
    mine = dict.fromkeys(paths, b"mine")
    put(folder, mine)
    fetch(small_hub, folder)
    assert content(folder) == documents(files) | mine
