"""Checks of baselines: each definition has one, and it passes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from engine.validate.documents import Dataset, effective
from engine.validate.findings import Finding, found
from engine.validate.trace import Survey

AUTHOR = "baseline"
"""Author of the solutions that others are compared with."""


def baselines_of(dataset: Dataset) -> dict[str, list[str]]:
    """Names of the baselines by definition, in the order of their files."""
    result: dict[str, list[str]] = defaultdict(list)
    for document in effective(dataset.solutions).values():
        if document.item.author == AUTHOR:
            result[document.item.definition].append(document.item.name)
    return result


def check_baselines(dataset: Dataset, survey: Survey) -> Iterator[Finding]:
    """What is wrong with the baselines."""
    baselines = baselines_of(dataset)
    for name, document in effective(dataset.definitions).items():
        file, names = document.source.shown, baselines.get(name, [])
        if not names:
            yield found("baseline-missing", f"{name} has no baseline", file=file)
            continue
        if len(names) > 1:
            message = f"{name} has {len(names)} baselines: {', '.join(names)}"
            yield found("baseline-several", message, file=file)
        if name in survey.tried and not any((name, item) in survey.passed for item in names):
            message = f"{name} has traces, and none of {', '.join(names)} that passed"
            yield found("baseline-failing", message, file=file)
