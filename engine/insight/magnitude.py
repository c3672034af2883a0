"""How wrong wrong values are: the size of the error as one of a few steps."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from engine.schema import Correctness


class Size(Enum):
    """The size of the largest error; the value completes "wrong by"."""

    NOT_FINITE = "NaN or infinity"
    ONE = "1 or more"
    TENTH = "0.1 to 1"
    HUNDREDTH = "0.01 to 0.1"
    EDGE = "less than 0.01, at the edge of the tolerance"


_STEPS = ((1.0, Size.ONE), (0.1, Size.TENTH), (0.01, Size.HUNDREDTH))


def size_of(correctness: Correctness) -> Size:
    """The size of an error.

    Counts the smaller of the absolute and the relative error: an element far from zero may be off
    by much, and one at zero by many times itself, and neither is wrong for that alone.
    """
    absolute = float(correctness.max_absolute_error)
    relative = float(correctness.max_relative_error)
    if not (math.isfinite(absolute) and math.isfinite(relative)) or _not_finite(correctness.extra):
        return Size.NOT_FINITE
    error = min(absolute, relative) or max(absolute, relative)
    return next((size for least, size in _STEPS if error >= least), Size.EDGE)


def _not_finite(extra: dict[str, Any] | None) -> bool:
    """True where this program's own checks met NaN or infinity that the reference has not."""
    own = (extra or {}).get("fitui")
    checks = own.get("checks") if isinstance(own, dict) else None
    if not isinstance(checks, list):
        return False
    return any(isinstance(check, dict) and check.get("non_finite") for check in checks)
