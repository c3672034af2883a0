"""The watcher: changes are told, our own reading is not, and it says how it works."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store import TraceStore, Watcher
from tests.engine.store.store_samples import Dataset, trace

PATIENCE = 20.0


class Calls:
    """Counts calls back, and waits for one."""

    def __init__(self) -> None:
        self.count = 0
        self.threads: set[str] = set()
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()

    def wait_beyond(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count > count, PATIENCE)


Watch = Callable[..., Watcher]


@pytest.fixture
def watch() -> Iterator[Watch]:
    made: list[Watcher] = []

    def start(*layers: Path, on_change: Callable[[], object], on_files: Any = None) -> Watcher:
        made.append(Watcher(layers, on_change, on_files))
        return made[-1]

    yield start
    for watcher in made:
        watcher.stop()


def test_an_append_is_seen(dataset: Dataset, watch: Watch) -> None:
    calls = Calls()
    with TraceStore.open(dataset.root) as store:
        watcher = watch(*store.layers, on_change=lambda: (store.refresh(), calls()))
        dataset.append("traces/ada/gemm/gemm.jsonl", trace("fast", "w1", day=9))
        assert calls.wait_beyond(0)
        deadline = time.monotonic() + PATIENCE
        while store.count("traces") != 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert store.count("traces") == 6
        assert threading.current_thread().name not in calls.threads
        assert watcher.mode == "inotify" or watcher.mode.startswith("polling every 2 s: ")


def test_a_file_in_new_folders_is_seen(dataset: Dataset, watch: Watch) -> None:
    calls = Calls()
    watch(dataset.root, on_change=calls)
    dataset.lines("traces/eve/moe/new.jsonl", trace())
    assert calls.wait_beyond(0)


def test_a_layer_that_comes_later_is_seen(dataset: Dataset, tmp_path: Path, watch: Watch) -> None:
    calls = Calls()
    later = tmp_path / "later"
    watch(dataset.root, later, on_change=calls)
    made = Dataset(later)
    assert calls.wait_beyond(0)
    seen = calls.count
    made.lines("traces/new.jsonl", trace())
    assert calls.wait_beyond(seen)


def test_a_folder_that_is_moved_away_and_made_again_is_watched(
    dataset: Dataset, watch: Watch
) -> None:
    calls = Calls()
    watcher = watch(dataset.root, on_change=calls)
    (dataset.root / "traces").rename(dataset.root / "traces_backup")
    (dataset.root / "traces").mkdir()
    assert calls.wait_beyond(0)
    time.sleep(0.2)
    seen = calls.count
    dataset.lines("traces/new.jsonl", trace())
    assert calls.wait_beyond(seen)
    assert watcher.mode == "inotify" or watcher.mode.startswith("polling every 2 s: ")


def test_a_callback_that_fails_does_not_end_the_watching(
    dataset: Dataset, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    def fail() -> None:
        calls()
        raise RuntimeError("on purpose")

    watch(dataset.root, on_change=fail)
    for number in range(2):
        seen = calls.count
        dataset.append("traces/ada/gemm/gemm.jsonl", trace(day=number + 10))
        assert calls.wait_beyond(seen)
    assert "callback" in caplog.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_without_inotify_it_polls_and_says_why(
    dataset: Dataset, watch: Watch, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    from watchdog.observers.inotify import InotifyObserver

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "limit reached")

    monkeypatch.setattr(InotifyObserver, "schedule", refuse)
    monkeypatch.setattr("engine.store.watch.POLL_SECONDS", 0.05)
    calls = Calls()
    watcher = watch(dataset.root, on_change=calls)
    assert "polling" in watcher.mode and "limit reached" in watcher.mode
    dataset.append("traces/ada/gemm/gemm.jsonl", trace("fast", "w1", day=9))
    assert calls.wait_beyond(0)


def test_a_network_file_system_is_polled(
    dataset: Dataset, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.watch.network_type", lambda path: "nfs4")
    watcher = watch(dataset.root, on_change=Calls())
    assert watcher.mode.startswith("polling every 2 s: ") and "nfs4" in watcher.mode


def test_stopping_ends_its_threads_and_may_be_repeated(dataset: Dataset, watch: Watch) -> None:
    before = threading.active_count()
    watcher = watch(dataset.root, on_change=Calls())
    watcher.stop()
    watcher.stop()
    assert threading.active_count() == before


def test_a_few_written_files_are_named(dataset: Dataset, watch: Watch) -> None:
    named: list[Path] = []
    calls, told = Calls(), Calls()

    def files(found: Collection[Path]) -> None:
        named.extend(found)
        told()

    watcher = watch(dataset.root, on_change=calls, on_files=files)
    dataset.append("traces/ada/gemm/gemm.jsonl", trace("fast", "w1", day=9))
    if watcher.mode == "inotify":
        assert told.wait_beyond(0)
        assert set(named) == {dataset.root / "traces/ada/gemm/gemm.jsonl"}
    assert calls.wait_beyond(0)  # a look at everything follows


def test_only_the_named_files_are_read(dataset: Dataset, tmp_path: Path) -> None:
    ada, bob = (dataset.root / f"traces/{name}/gemm/gemm.jsonl" for name in ("ada", "bob"))
    with TraceStore.open(dataset.root) as store:
        for name in ("ada", "bob"):
            dataset.append(f"traces/{name}/gemm/gemm.jsonl", trace("fast", "w1", day=9, log=name))
        (dataset.root / "traces/.hidden.jsonl").write_text("{")
        hidden = [dataset.root / "traces/.hidden.jsonl", tmp_path / "elsewhere.jsonl"]
        assert store.refresh([ada, *hidden]) is True
        assert store.count("traces") == 6 and store.problems() == []
        bob.unlink()
        assert store.refresh([bob]) is True  # gone: that takes a look at everything
        assert store.count("traces") == 4


def test_very_many_changes_at_once_are_all_found(dataset: Dataset, watch: Watch) -> None:
    root, files, folders = dataset.root, 3000, 200
    paths = [root / f"traces/many{number % 20}/f{number}.jsonl" for number in range(files)]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(trace("fast", "w1", day=1, log=f"a{number}")) + "\n")
    with TraceStore.open(root, wait=False) as store:
        watch(*store.layers, on_change=store.refresh, on_files=store.refresh)
        for number, path in enumerate(paths):
            with path.open("a") as stream:
                stream.write(json.dumps(trace("fast", "w1", day=2, log=f"b{number}")) + "\n")
        for number in range(folders):
            dataset.lines(f"traces/new{number}/op/f.jsonl", trace("slow", "w1", log=f"c{number}"))
        odd = os.fsdecode(bytes(root) + b"/traces/\xff\xfe.jsonl")
        Path(odd).write_text(json.dumps(trace("slow", "w1", day=3)) + "\n")
        wanted = 5 + 2 * files + folders + 1
        deadline = time.monotonic() + 3 * PATIENCE
        while store.count("traces") < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        assert store.count("traces") == wanted
        assert store.count("problems") == 0
