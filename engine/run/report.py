"""Where a run tells the world: events, logs, samples and traces, from any thread of the runner."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from engine.measure.roofline import percent
from engine.run.evaluation import Result
from engine.run.files import RunFolder
from engine.run.record import Subject, full_log, largest, make_samples, make_trace
from engine.schema.codec import encode
from engine.schema.endings import STATUS_OF
from engine.schema.names import Status
from engine.schema.run import Event, Kind, Request
from engine.store import append_line, append_once


class NotKept(Exception):
    """Something could not be written down; the run cannot go on."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO)


def require_room(error: Exception) -> None:
    """Tell what stops every solution from what concerns one.

    Raises:
        NotKept: There is no room for files, whosever they are.
    """
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        raise NotKept(f"files of solutions cannot be written: {error}") from error


class _Promise(Struct, kw_only=True):
    """First line of a file in ``pending``; the second is the trace.

    Args:
        trace_file: Where the trace goes.
        event: What is said once it is there.
    """

    trace_file: str
    event: Event


class Reporter:
    """Writes everything a run leaves behind, each thing as soon as it is known.

    A trace is written to the run's folder before the dataset, and its event after it, so that a
    runner that takes over from one that was killed can finish what that had begun: each evaluation
    ends in exactly one trace.

    Args:
        folder: Of the run.
        request: What was asked for.
        trace_file: File of the dataset that a trace goes to.
    """

    def __init__(
        self, folder: RunFolder, request: Request, trace_file: Callable[[Subject], Path]
    ) -> None:
        self._folder = folder
        self._request = request
        self._trace_file = trace_file
        self._lock = threading.Lock()

    def event(self, kind: Kind, evaluation: str = "", **fields: Any) -> None:
        """Append one event.

        Raises:
            NotKept: It could not be written.
        """
        self.events(Event(kind=kind, t=time.time(), evaluation=evaluation, **fields))

    def events(self, *events: Event) -> None:
        """Append events, all or none.

        Raises:
            NotKept: They could not be written.
        """
        with self._lock, _kept("the run's events"):
            self._folder.append_events(*events)

    def notice(self, message: str) -> None:
        """Say something about the run as a whole."""
        self.event(Kind.NOTICE, message=message)

    def recover(self, ended: Container[str]) -> None:
        """Finish what a runner that was killed, or could not write, had begun.

        Args:
            ended: Evaluations whose end has been said already.

        Raises:
            NotKept: It still cannot be written.
        """
        for path in sorted(self._folder.pending.glob("*.json")):
            head, _, line = path.read_bytes().partition(b"\n")
            try:
                promise = msgspec.json.decode(head, type=_Promise)
            except msgspec.DecodeError:
                path.unlink()  # from before a power cut: evaluated again
                continue
            said = promise.event.evaluation in ended
            self._keep(promise, line, path, append_once, [] if said else [promise.event])

    def done(
        self,
        subject: Subject,
        result: Result,
        printed: str,
        elapsed_s: float,
        startup_s: float | None,
    ) -> None:
        """Keep the result of an evaluation: log, samples, trace, and then the event.

        Raises:
            NotKept: It could not be kept; nothing claims that it was. A trace that the dataset
                has no room for is left in the run's folder.
        """
        log = full_log(subject, result, printed)
        trace = make_trace(subject, result, self._request, log)
        number = subject.evaluation.rpartition(".")[2]
        log_file = self._folder.logs / f"{number}.txt"
        fields: dict[str, Any] = {}
        if result.timing is not None:
            fields |= {
                "n": result.timing.summary.n,
                "latency_ms": result.timing.latency_ms,
                "interval": result.timing.summary.interval,
                "timer": result.timing.timer,
                "flags": result.timing.flags,
            }
            if result.limit is not None:
                fields["roofline"] = percent(result.limit.us, result.timing.summary.median / 1e3)
        assert trace.evaluation is not None
        measured = trace.evaluation.performance
        if measured is not None:
            fields["reference_latency_ms"] = measured.reference_latency_ms
            fields["speedup"] = measured.speedup_factor
        if result.checks:
            error = largest([check.max_abs for check in result.checks])
            fields["max_absolute_error"] = error if error - error == 0 else str(error)
        status = STATUS_OF[result.ending]
        trace_file = self._trace_file(subject)
        event = Event(
            kind=Kind.DONE,
            t=time.time(),
            evaluation=subject.evaluation,
            device=subject.device.name,
            status=status,
            message="" if status is Status.PASSED else result.reason,
            log=str(log_file.relative_to(self._folder.path)),
            trace_file=str(trace_file),
            elapsed_s=round(elapsed_s, 3),
            startup_s=None if startup_s is None else round(startup_s, 3),
            **fields,
        )
        promise = _Promise(trace_file=str(trace_file), event=event)
        line = encode(trace)
        path = self._folder.pending / f"{number}.json"
        with self._lock, _kept("the run's log, samples and trace"):
            log_file.write_text(log, encoding="utf-8", errors="replace")
            self._folder.append_samples(make_samples(subject, result))
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_suffix(".tmp")
            with temporary.open("wb") as stream:
                stream.write(encode(promise) + b"\n" + line)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.rename(path)
        # Nobody else has this line: no need to look for it in the file.
        self._keep(promise, line, path, append_line, [event])

    def _keep(
        self,
        promise: _Promise,
        line: bytes,
        path: Path,
        append: Callable[[str, bytes], int | bool],
        events: list[Event],
    ) -> None:
        with self._lock:
            try:
                append(promise.trace_file, line)
            except OSError as error:
                # The store's error wraps the system's, which says why in few words.
                reason = error.__cause__ or error
                raise NotKept(
                    f"the dataset cannot take a trace: {reason}; it is in {path}, and "
                    f"`fitui resume {self._request.run}` tries again"
                ) from error
            with _kept("the run's events"):
                self._folder.append_events(*events)
                path.unlink()


@contextmanager
def _kept(what: str) -> Iterator[None]:
    """Tell a failure to write from all others."""
    try:
        yield
    except OSError as error:
        raise NotKept(f"{what} could not be written: {error}") from error
