"""A failure in short: why, what its log says there, and the lines of the source it speaks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.insight.causes import Cause, CauseKind, cause_of
from engine.insight.clusters import Cluster
from engine.insight.folding import log_lines
from engine.insight.places import Place, find_place
from engine.schema import Status, Trace
from engine.store import TraceStore
from fitui.format import clean, clean_lines, count
from fitui.screens.documents import Line, fact, heading, wrapped
from fitui.screens.fields import axes_text, status_words
from fitui.screens.reasons import trace_lines
from fitui.versions import find_version
from fitui.widgets.text import Document

_LOG_ABOVE, _LOG_BELOW = 4, 12
_SOURCE_AROUND = 5


def preview_lines(store: TraceStore, cluster: Cluster, width: int) -> Document:
    """What a cluster is about, by its newest failure.

    Args:
        store: The dataset.
        cluster: The cluster.
        width: Columns to wrap at.
    """
    lines: list[Line] = [[], [(f" {status_words(cluster.status)}", "failed")], []]
    lines += wrapped(cluster.line, width, "title")
    if cluster.hint:
        lines += [[], [(f" {cluster.hint}", "accent")]]
    counts = [
        count(cluster.traces, "trace"),
        count(cluster.solutions, "solution"),
        count(cluster.workloads, "workload"),
        count(cluster.definitions, "definition"),
    ]
    lines += [[], [(f" {', '.join(counts)}", "dim")]]
    try:
        trace = store.trace(cluster.example)
    except (LookupError, ValueError, OSError):
        return Document(lines)
    evaluation = trace.evaluation
    if evaluation is None:
        return Document(lines)
    lines += [[], fact("newest", trace.solution or "", width=8)]
    lines.append(fact("of", trace.definition, width=8))
    lines.append(fact("on", axes_text(trace.workload.axes), width=8))
    cause = cause_of(evaluation.status.value, evaluation.log, evaluation.correctness)
    if cause.kind is CauseKind.NUMERICAL:
        return Document(lines + trace_lines(trace, width))
    return Document(lines + failure_lines(store, trace))


def failure_lines(store: TraceStore, trace: Trace) -> list[Line]:
    """Where the log of a failure says why, and the lines of the source that it speaks of.

    Args:
        store: The dataset.
        trace: A trace; nothing is said of one that passed, or whose values are wrong.
    """
    evaluation = trace.evaluation
    if evaluation is None or evaluation.status is Status.PASSED:
        return []
    cause = cause_of(evaluation.status.value, evaluation.log, evaluation.correctness)
    if cause.kind is CauseKind.NUMERICAL:
        return []
    lines = log_excerpt(evaluation.log, cause)
    version = evaluation.environment.libs.get("fitui.solution", "")
    found = find_version(store, trace.solution or "", version)
    if found is not None:
        sources = {source.path: source.content for source in found[0].sources}
        place = find_place(log_lines(evaluation.log), cause.at, sources)
        lines += source_excerpt(place, sources)
    return lines


def log_excerpt(log: str, cause: Cause) -> list[Line]:
    """The lines of a log around the one that says why."""
    shown = clean_lines(log)
    if not shown:
        return []
    at = max(0, cause.at)
    first = max(0, at - _LOG_ABOVE)
    lines = heading("log")
    for index in range(first, min(len(shown), at + _LOG_BELOW)):
        lines.append([(f" {shown[index]}", "failed" if index == cause.at else "")])
    return lines


def source_excerpt(
    place: Place | None, sources: Mapping[str, str], around: int = _SOURCE_AROUND
) -> list[Line]:
    """The lines of a source around a place in it."""
    if place is None:
        return []
    text: Sequence[str] = sources[place.path].split("\n")
    first = max(1, place.line - around)
    last = min(len(text), place.line + around)
    lines = heading(f"{clean(place.path)}, line {place.line}")
    for number in range(first, last + 1):
        style = "failed" if number == place.line else ""
        body = clean(text[number - 1].expandtabs(4))
        lines.append([(f" {number:>{len(str(last))}}  ", "dim"), (body, style)])
    return lines
