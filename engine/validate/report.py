"""The whole validation of a dataset: which checks run, and what they found together."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from engine.store.slim import plain_text
from engine.validate.baseline import check_baselines
from engine.validate.checks import Group, Severity
from engine.validate.definition import check_definitions
from engine.validate.documents import Dataset
from engine.validate.findings import Finding, found
from engine.validate.layout import check_layout
from engine.validate.solution import check_solutions
from engine.validate.trace import Survey, survey_traces
from engine.validate.workload import check_workloads, missing_blobs


class Report(Struct, kw_only=True):
    """What was checked, and what was found.

    Args:
        dataset: Its folders, lowest first.
        checks: The groups that ran.
        checked: Number of definitions, workloads, solutions and traces that were read.
        findings: By file, the gravest first.
    """

    dataset: list[str]
    checks: list[Group]
    checked: dict[str, int]
    findings: list[Finding]

    def count(self, severity: Severity) -> int:
        """Number of findings of a severity."""
        return sum(item.severity is severity for item in self.findings)

    def add(self, findings: Sequence[Finding]) -> None:
        """Put more findings in their places."""
        self.findings = sorted([*self.findings, *findings], key=_order)


def validate(dataset: Dataset, groups: Collection[Group] = tuple(Group)) -> Report:
    """Check a dataset. Nothing is written, and nothing of the dataset is run.

    Args:
        dataset: As :func:`engine.validate.documents.read_dataset` read it.
        groups: Which checks. The group ``benchmark`` only says that it was skipped.

    Raises:
        LookupError: A pattern means no definition.
    """
    _demand_meant(dataset)
    walked = {Group.LAYOUT, Group.TRACE, Group.BASELINE}.intersection(groups)
    survey = survey_traces(dataset if walked else dataset._replace(traces=[]))
    report = Report(
        dataset=[plain_text(str(layer)) for layer in dataset.layers],
        checks=[group for group in Group if group in groups],
        checked={
            "definitions": len(dataset.definitions),
            "workloads": len(dataset.workloads),
            "solutions": len(dataset.solutions),
            "traces": survey.evaluations,
        },
        findings=[],
    )
    report.add(list(_findings(dataset, survey, groups)))
    return report


def _demand_meant(dataset: Dataset) -> None:
    names = [document.item.name for document in dataset.definitions]
    for pattern in dataset.patterns:
        if not (dataset.broken or fnmatch.filter(names, pattern)):
            raise LookupError(f"There is no definition {pattern!r} in this dataset")


def _findings(dataset: Dataset, survey: Survey, groups: Collection[Group]) -> Iterator[Finding]:
    yield from (item for item in dataset.broken if item.group in groups)
    if Group.LAYOUT in groups:
        yield from check_layout(dataset, survey)
    if Group.DEFINITION in groups:
        yield from check_definitions(dataset)
    if Group.WORKLOAD in groups:
        yield from check_workloads(dataset)
        if Group.LAYOUT not in groups:
            yield from missing_blobs(dataset)
    if Group.SOLUTION in groups:
        yield from check_solutions(dataset)
    if Group.TRACE in groups:
        yield from survey.findings
    if Group.BASELINE in groups:
        yield from check_baselines(dataset, survey)
    if Group.BENCHMARK in groups:
        yield found("benchmark-skipped", "nothing was evaluated")


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    severity = list(Severity).index(finding.severity)
    return finding.file, severity, finding.line or 0, finding.check, finding.field
