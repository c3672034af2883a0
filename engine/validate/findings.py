"""One finding: what is wrong, where, and what to do."""

from __future__ import annotations

from msgspec import Struct

from engine.schema import Problem
from engine.store.slim import plain_text
from engine.validate.checks import CHECKS, Group, Severity


class Finding(Struct, frozen=True, kw_only=True):
    """Something that a check found.

    Args:
        check: Name of the check.
        group: Its group.
        severity: How grave it is.
        message: What is wrong, in one sentence.
        fix: What to do about it.
        file: Relative to the dataset, or in full where it lies in the overlay; "" where the
            whole dataset is meant.
        line: 1-based line, or None.
        field: JSON path of the value, or "".
        count: How many lines of the file it stands for.
    """

    check: str
    group: Group
    severity: Severity
    message: str
    fix: str
    file: str = ""
    line: int | None = None
    field: str = ""
    count: int = 1


def found(
    check: str,
    message: str,
    *,
    file: str = "",
    line: int | None = None,
    field: str = "",
    count: int = 1,
) -> Finding:
    """A finding of the check of that name."""
    kind = CHECKS[check]
    return Finding(
        check=check,
        group=kind.group,
        severity=kind.severity,
        message=plain_text(message),
        fix=kind.fix,
        file=plain_text(file),
        line=line,
        field=plain_text(field),
        count=count,
    )


def found_problem(check: str, problem: Problem, file: str, line: int | None = None) -> Finding:
    """A finding from what a reader says; ``line`` holds where the reader names none."""
    where = problem.line if problem.line is not None else line
    return found(check, problem.message, file=file, line=where, field=problem.field)
