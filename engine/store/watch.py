"""Noticing that a dataset's files changed. What changed is for ``TraceStore.refresh`` to find.

inotify where it works; where it cannot see (a network file system, the user's limit of watches
reached), a sweep every two seconds. Events only say that something happened, so a lost one costs
little: a last call comes when all has been quiet for a while, and one every half minute anyway.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, ObservedWatch

from engine.store.layers import FOLDERS
from engine.store.mounts import network_type
from engine.store.scan import sweep

COALESCE_SECONDS = 0.05
HURRY_SECONDS = 0.01
"""A change of a few known files is told after this long, anything else after the other."""

FEW_FILES = 100
SETTLE_SECONDS = 2.2
POLL_SECONDS = 2.0
RESWEEP_SECONDS = 30.0
_WATCHED = (*FOLDERS, "blob")
# Not opened and closed: our own reading would wake us. No FileClosedEvent: modified says it all.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class Watcher:
    """Calls back, in a thread of its own, when files of a dataset changed.

    Args:
        store_layers: Folders of the dataset; those that do not exist yet are waited for.
        on_change: Called without arguments, never twice at once. A burst of changes is one call;
            one more comes after the files have been quiet for about two seconds, when a line
            that was still being written has become whole or is known to be broken off. It may
            also come when nothing changed.
        on_files: Called with the files instead, where all that is known to have happened is that
            a few files were written. A call of ``on_change`` follows within seconds.
    """

    def __init__(
        self,
        store_layers: Sequence[Path],
        on_change: Callable[[], object],
        on_files: Callable[[Collection[Path]], object] | None = None,
    ) -> None:
        self._layers = tuple(store_layers)
        self._on_change = on_change
        self._on_files = on_files
        self._wake = threading.Event()
        self._heard = _Heard()
        self._stopped = threading.Event()
        self._observer: BaseObserver | None = None
        self._watched: dict[Path, tuple[ObservedWatch, int]] = {}
        self._polling = self._reason_to_poll()
        if not self._polling:
            self._start_observer()
        self._last_seen = self._look() if self._polling else 0
        self._thread = threading.Thread(target=self._run, name="dataset-watcher", daemon=True)
        self._thread.start()

    @property
    def mode(self) -> str:
        """How changes are noticed: "inotify", or "polling every 2 s: why"."""
        return (
            f"polling every {POLL_SECONDS:.0f} s: {self._polling}" if self._polling else "inotify"
        )

    def stop(self) -> None:
        """End the thread. Safe to call from the callback and more than once."""
        self._stopped.set()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # -- choosing how

    def _reason_to_poll(self) -> str:
        for layer in self._layers:
            found = network_type(layer)
            if found:
                return f"{layer} is on {found}, where inotify cannot see other machines' changes"
        return ""

    def _start_observer(self) -> None:
        try:
            from watchdog.observers.inotify import InotifyObserver
        except (ImportError, OSError) as error:
            self._polling = f"inotify is not available here ({error})"
            return
        # Folders that are made while watchdog looks into their parent are met twice; it says so at
        # great length on the terminal, in a thread that would end where warnings are errors.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        self._observer = InotifyObserver()
        try:
            self._observer.start()
            self._watch_new_folders()
        except OSError as error:
            self._give_up_inotify(error.strerror or str(error))

    def _give_up_inotify(self, reason: str) -> None:
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join()
        self._watched.clear()
        self._polling = f"inotify failed ({reason})"
        self._last_seen = 0

    def _watch_new_folders(self) -> bool:
        """Watch what exists now and did not before; forget what is gone.

        Returns:
            True where the set of watched folders changed.

        Raises:
            OSError: No more watches are to be had.
        """
        observer = self._observer
        assert observer is not None
        ended = {emitter.watch for emitter in observer.emitters if not emitter.is_alive()}
        changed = False
        for layer in self._layers:
            for folder in (layer, *(layer / name for name in _WATCHED)):
                inode = _folder_inode(folder)
                watch, known = self._watched.get(folder, (None, 0))
                # A folder that was moved away and made again has another inode.
                if watch is not None and (inode != known or watch in ended):
                    observer.unschedule(watch)
                    del self._watched[folder]
                    changed = True
                if inode and folder not in self._watched:
                    handler = _Handler(self._wake, self._heard, () if folder != layer else _WATCHED)
                    watch = observer.schedule(
                        handler, os.fspath(folder), recursive=folder != layer, event_filter=_EVENTS
                    )
                    self._watched[folder] = (watch, inode)
                    changed = True
        return changed

    # -- the thread

    def _run(self) -> None:
        settle_at, called_at = 0.0, time.monotonic()
        while not self._stopped.is_set():
            woken = self._wake.wait(POLL_SECONDS if not settle_at else SETTLE_SECONDS / 2)
            if self._stopped.is_set():
                break
            due = time.monotonic() - called_at >= RESWEEP_SECONDS
            if woken and not due and self._on_files and self._tell_files(self._on_files):
                settle_at = time.monotonic() + SETTLE_SECONDS
                continue
            if woken:
                self._stopped.wait(COALESCE_SECONDS)
                self._wake.clear()
                self._heard.take()
            changed = self._check() or woken
            now = time.monotonic()
            if changed:
                settle_at = now + SETTLE_SECONDS
            elif settle_at and now >= settle_at:
                settle_at, changed = 0.0, True
            elif now - called_at >= RESWEEP_SECONDS:
                changed = True
            if changed and not self._stopped.is_set():
                called_at = now
                self._call(self._on_change)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _tell_files(self, tell: Callable[[Collection[Path]], object]) -> bool:
        """Tell of a few files soon. False where more happened, and nothing was told."""
        self._stopped.wait(HURRY_SECONDS)
        self._wake.clear()
        files = self._heard.take()
        if files is None or self._stopped.is_set():
            self._heard.add(None)
            return False
        self._call(lambda: tell(files))
        return True

    def _check(self) -> bool:
        """Look after the observer, or look at the files."""
        if self._observer is not None:
            try:
                return self._watch_new_folders()
            except (OSError, KeyError) as error:
                self._give_up_inotify(getattr(error, "strerror", None) or str(error))
        seen = self._look()
        changed = seen != self._last_seen
        self._last_seen = seen
        return changed

    def _look(self) -> int:
        return hash(frozenset(sweep(self._layers).files.values()))

    def _call(self, tell: Callable[[], object]) -> None:
        try:
            tell()
        except Exception:
            logging.getLogger(__name__).exception("the callback of a dataset's watcher failed")


def _folder_inode(folder: Path) -> int:
    """Inode of a folder, 0 where there is none."""
    try:
        return folder.stat().st_ino if folder.is_dir() else 0
    except OSError:
        return 0


class _Heard:
    """The files that events named since the last time it was asked."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._files: set[Path] | None = set()

    def add(self, file: Path | None) -> None:
        """Note a file that was written; None for anything else."""
        with self._guard:
            if file is None or self._files is None or len(self._files) >= FEW_FILES:
                self._files = None
            else:
                self._files.add(file)

    def take(self) -> set[Path] | None:
        """Those files, or None where more happened."""
        with self._guard:
            files, self._files = self._files, set()
            return files


class _Handler(FileSystemEventHandler):
    """Wakes the watcher; above the watched folders only for the names that matter there."""

    def __init__(self, wake: threading.Event, heard: _Heard, names: Sequence[str]) -> None:
        self._wake = wake
        self._heard = heard
        self._names = frozenset(names)

    def on_any_event(self, event: FileSystemEvent) -> None:
        if self._names:
            paths = (os.fsdecode(event.src_path), os.fsdecode(event.dest_path or ""))
            if not any(Path(path).name in self._names for path in paths):
                return
        written = isinstance(event, FileModifiedEvent | FileCreatedEvent) and not self._names
        self._heard.add(Path(os.fsdecode(event.src_path)) if written else None)
        self._wake.set()
