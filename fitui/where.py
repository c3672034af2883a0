"""Filter expressions that pages put before what was typed, and errors mapped back to it."""

from __future__ import annotations

from engine.store import QueryError


def exact(field: str, value: str) -> str:
    """An expression that holds for exactly one value of a field."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}="{escaped}"'


def within(base: str, typed: str) -> tuple[str, int]:
    """``typed`` inside of ``base``.

    Returns:
        The whole expression, and where ``typed`` starts in it.
    """
    if not base or not typed.strip():
        return base or typed, 0
    return f"{base} ({typed})", len(base) + 2


def shifted(error: QueryError, by: int) -> QueryError:
    """An error of a whole expression, as one of the part that was typed."""
    return QueryError(error.message, max(0, error.start - by), max(0, error.end - by))
