"""Checks of traces, in one walk over their lines, which may be millions."""

from __future__ import annotations

from typing import NamedTuple

from engine.schema import Status, Trace, Workload
from engine.validate.documents import Dataset, Source, effective, read_lines
from engine.validate.findings import Finding, found

_Subject = tuple[str, str, str]
"""File, name of the check, and what it is about."""


class Survey(NamedTuple):
    """What the traces are, and what is wrong with them.

    Args:
        findings: What is wrong.
        evaluations: How many were read.
        kept: By file, the (definition, solution) pairs of its lines.
        tried: Definitions with a trace.
        passed: (definition, solution) pairs with a trace that passed.
    """

    findings: list[Finding]
    evaluations: int
    kept: dict[Source, set[tuple[str, str]]]
    tried: set[str]
    passed: set[tuple[str, str]]


def survey_traces(dataset: Dataset) -> Survey:
    """Read every trace once.

    What is wrong in the same way with many lines of a file is one finding, at the first of them.
    """
    walk = _Walk(dataset)
    for source in dataset.traces:
        walk.read(source)
    return walk.survey()


class _Walk:
    """Reads trace files, and collects."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._definitions = effective(dataset.definitions)
        self._solutions = effective(dataset.solutions)
        self._workloads: dict[tuple[str, str], Workload] = {
            (line.item.definition, line.item.workload.uuid): line.item.workload
            for line in dataset.workloads
        }
        self._findings: list[Finding] = []
        self._repeated: dict[_Subject, list[int]] = {}
        self._kept: dict[Source, set[tuple[str, str]]] = {}
        self._passed: set[tuple[str, str]] = set()
        self._count = 0

    def read(self, source: Source) -> None:
        """One file."""
        pairs = self._kept[source] = set()
        for line in read_lines(source, "trace"):
            if isinstance(line, Finding):
                if self._dataset.may_concern(source):
                    self._findings.append(line)
                continue
            item = line.item
            if not self._dataset.wants(item.definition):
                continue
            self._count += 1
            pair = item.definition, item.solution or ""
            pairs.add(pair)
            if item.evaluation is not None and item.evaluation.status is Status.PASSED:
                self._passed.add(pair)
            for check, subject in self._faults(item):
                key = source.shown, check, subject
                self._repeated.setdefault(key, [line.number, 0])[1] += 1

    def _faults(self, item: Trace) -> list[tuple[str, str]]:
        if item.definition not in self._definitions:
            return [("trace-definition", f"there is no definition {item.definition!r}")]
        result = []
        solution = self._solutions.get(item.solution or "")
        if solution is None:
            result.append(("trace-solution", f"there is no solution {item.solution!r}"))
        elif solution.item.definition != item.definition:
            message = f"solution {item.solution!r} solves {solution.item.definition!r}"
            result.append(("trace-solution", message))
        uuid = item.workload.uuid
        known = self._workloads.get((item.definition, uuid))
        if known is None:
            message = f"{item.definition} has no workload {uuid}"
            result.append(("trace-workload", message))
        elif known.axes != item.workload.axes:
            message = f"workload {uuid} has axes {known.axes}, and the trace {item.workload.axes}"
            result.append(("trace-differs", message))
        elif known.inputs != item.workload.inputs:
            message = f"workload {uuid} has other inputs than the trace"
            result.append(("trace-differs", message))
        return result

    def survey(self) -> Survey:
        """What was collected."""
        for (file, check, message), (line, count) in self._repeated.items():
            self._findings.append(found(check, message, file=file, line=line, count=count))
        tried = {definition for pairs in self._kept.values() for definition, _ in pairs}
        return Survey(self._findings, self._count, self._kept, tried, self._passed)
