"""Where something is wrong, and what: one exception and one value for every bad input."""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a dataset, with its place.

    Args:
        file: Path as the reader found it, or "" for text that came from no file.
        line: 1-based line, or None where the whole file is meant.
        field: JSON path of the offending value ("axes.batch_size.value"), or "".
        message: What is wrong, in one sentence.
    """

    message: str
    file: str = ""
    line: int | None = None
    field: str = ""

    def __str__(self) -> str:
        place = self.file
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class SchemaError(ValueError):
    """A document does not follow the FlashInfer Trace schema.

    Attributes:
        problem: The first thing that is wrong, with file, line and field.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem

    def at(self, file: str = "", line: int | None = None) -> SchemaError:
        """Return the same error with the place filled in where it was still unknown."""
        found = self.problem
        return SchemaError(
            msgspec.structs.replace(
                found,
                file=found.file or file,
                line=found.line if found.line is not None else line,
            )
        )


class RuleError(ValueError):
    """A rule that spans several fields is broken (raised from ``__post_init__``).

    Attributes:
        field: JSON path relative to the object that was being read.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
