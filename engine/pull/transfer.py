"""Bringing files up to what is published: each is compared, and fetched where that is needed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from engine.pull.folder import Local, look, oid_of, place, target_of
from engine.pull.hub import Hub
from engine.pull.published import PublishedFile, PullError
from engine.pull.record import Pulled, Record
from engine.pull.report import Outcome, Report, State

_AT_ONCE = 8
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""What would meet the next file as well."""

Progress = Callable[[Outcome, int, int], None]
"""Told of each file: what became of it, how many are done, of how many."""


class Transfer:
    """Brings files to one folder, several at a time.

    Args:
        hub: Where from.
        report: Where to, at which commit; takes what became of each file.
        record: Of the folder.
        staged: Folder for files under way; in a dry run, those fetched to be read stay there.
        force: Replace what somebody has changed.
        progress: Told of each file; called in the caller's thread.
    """

    def __init__(
        self,
        hub: Hub,
        report: Report,
        record: Record,
        staged: Path,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._hub, self._report, self._record, self._staged = hub, report, record, staged
        self._force, self._progress = force, progress
        self._stop = threading.Event()

    def run(self, files: Sequence[PublishedFile], *, to_read: Set[str] = frozenset()) -> None:
        """See to all of these.

        Args:
            files: What is wanted.
            to_read: Paths that are read afterwards, and so are fetched in a dry run too.
        """
        outcomes = self._report.outcomes
        total = len(outcomes) + len(files)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pull") as pool:
            futures = [pool.submit(self._see_to, file, file.path in to_read) for file in files]
            try:
                for future in as_completed(futures):
                    outcomes.append(future.result())
                    if self._progress is not None:
                        self._progress(outcomes[-1], len(outcomes), total)
            except BaseException:
                # After Ctrl-C, only what is under way is waited for.
                self._stop.set()
                raise

    def _see_to(self, file: PublishedFile, to_read: bool) -> Outcome:
        state, reason = State.LEFT, ""
        if not self._stop.is_set():
            try:
                state = self._bring(file, to_read)
            except PullError as error:
                state, reason = self._failed(str(error), final=error.final)
            except OSError as error:
                reason = f"{error.filename or file.path}: {error.strerror or error}"
                state, reason = self._failed(reason, final=error.errno in _NO_ROOM)
        return Outcome(file.path, state, file.size, reason)

    def _failed(self, reason: str, *, final: bool) -> tuple[State, str]:
        if not final:
            return State.FAILED, reason
        self._report.stopped = self._report.stopped or reason
        self._stop.set()
        return State.LEFT, ""

    def _bring(self, file: PublishedFile, to_read: bool) -> State:
        """Fetch a file, where that is needed and allowed."""
        report, record = self._report, self._record
        target = target_of(report.folder, file.path)
        before = _stamp(target)
        local = look(target, file, record.oids.get(file.path, set()))
        if local is Local.CHANGED and not self._force:
            return State.KEPT
        pulled = Pulled(report.repo, report.commit, file.path, file.oid)
        if local is Local.SAME:
            if not report.dry_run:
                record.add(pulled)
            return State.PRESENT
        if report.dry_run and not to_read:
            return State.FETCHED
        fetched = self._hub.download(report.commit, file, self._staged)
        if fetched.stat().st_size != file.size or oid_of(fetched, like=file.oid) != file.oid:
            raise PullError(f"{file.path} arrived damaged; pull again")
        if report.dry_run:
            return State.FETCHED
        if _stamp(target) != before and not self._force:
            return State.KEPT
        # Noted first: killed in between, the former content is still known as pulled.
        record.add(pulled)
        place(fetched, target)
        return State.FETCHED


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when somebody writes a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
