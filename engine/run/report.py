"""Where a runner tells the world: events, logs, samples and traces, from any of its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.run.evaluation import Result
from engine.run.files import RunFolder
from engine.run.record import Subject, full_log, largest, make_samples, make_trace
from engine.schema.endings import STATUS_OF
from engine.schema.names import Status
from engine.schema.run import Event, Kind, Request
from engine.schema.trace import Trace


class NotKept(Exception):
    """Something could not be written down; the run cannot go on."""


class Reporter:
    """Writes everything a run leaves behind, each thing as soon as it is known.

    Args:
        folder: Of the run.
        request: What was asked for.
        append: Appends a trace to the dataset and returns its file.
    """

    def __init__(
        self, folder: RunFolder, request: Request, append: Callable[[Subject, Trace], Path]
    ) -> None:
        self._folder = folder
        self._request = request
        self._append = append
        self._lock = threading.Lock()

    def event(self, kind: Kind, evaluation: str = "", **fields: Any) -> None:
        """Append one event.

        Raises:
            NotKept: It could not be written.
        """
        event = Event(kind=kind, t=time.time(), evaluation=evaluation, **fields)
        with self._lock, _kept("the run's events"):
            self._folder.append_event(event)

    def notice(self, message: str) -> None:
        """Say something about the run as a whole."""
        self.event(Kind.NOTICE, message=message)

    def done(self, subject: Subject, result: Result, printed: str, elapsed_s: float) -> None:
        """Keep the result of an evaluation: log, samples, trace, and then the event.

        Raises:
            NotKept: It could not be kept; nothing claims that it was. A trace that the dataset
                has no room for is left in the run's folder.
        """
        log = full_log(subject, result, printed)
        trace = make_trace(subject, result, self._request, log)
        log_file = self._folder.logs / f"{subject.evaluation.rpartition('.')[2]}.txt"
        with self._lock:
            with _kept("the run's log and samples"):
                log_file.write_text(log, encoding="utf-8", errors="replace")
                self._folder.append_samples(make_samples(subject, result))
            trace_file = self._append_or_save(subject, trace)
        fields: dict[str, Any] = {}
        if result.timing is not None:
            fields |= {
                "n": result.timing.summary.n,
                "latency_ms": result.timing.latency_ms,
                "interval": result.timing.summary.interval,
                "timer": result.timing.timer,
            }
        assert trace.evaluation is not None
        measured = trace.evaluation.performance
        if measured is not None:
            fields["reference_latency_ms"] = measured.reference_latency_ms
            fields["speedup"] = measured.speedup_factor
        if result.checks:
            error = largest([check.max_abs for check in result.checks])
            fields["max_absolute_error"] = error if error - error == 0 else str(error)
        status = STATUS_OF[result.ending]
        self.event(
            Kind.DONE,
            subject.evaluation,
            device=subject.device.name,
            status=status,
            message="" if status is Status.PASSED else result.reason,
            log=str(log_file.relative_to(self._folder.path)),
            trace_file=str(trace_file),
            elapsed_s=round(elapsed_s, 3),
            **fields,
        )

    def _append_or_save(self, subject: Subject, trace: Trace) -> Path:
        try:
            return self._append(subject, trace)
        except OSError as error:
            with _kept(f"a trace ({error})"):
                saved = self._folder.append_unsaved(trace)
            # The store's error wraps the system's, which says why in few words.
            reason = error.__cause__ or error
            raise NotKept(f"the dataset cannot take a trace: {reason}; it is in {saved}") from error


@contextmanager
def _kept(what: str) -> Iterator[None]:
    """Tell a failure to write from all others."""
    try:
        yield
    except OSError as error:
        raise NotKept(f"{what} could not be written: {error}") from error
