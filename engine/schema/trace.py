"""Trace: one line of a workload or trace file, with or without an evaluation."""

from __future__ import annotations

import math
from typing import Any

from msgspec import Struct, field

from engine.schema.errors import RuleError
from engine.schema.names import Status
from engine.schema.workload import Workload


class Environment(Struct, kw_only=True):
    """Where an evaluation ran. ``libs`` also carries this program's ``fitui.*`` identity."""

    hardware: str
    libs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.hardware:
            raise RuleError("hardware", "must not be empty")


class Correctness(Struct, kw_only=True, omit_defaults=True):
    """How far the outputs were from the reference.

    ``max_relative_error`` and ``max_absolute_error`` are at least 0, or NaN or infinite; a file
    spells the latter as the strings "NaN" and "Infinity".
    """

    max_relative_error: float | str = 0.0
    max_absolute_error: float | str = 0.0
    extra: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for key in ("max_relative_error", "max_absolute_error"):
            value = getattr(self, key)
            if isinstance(value, str):
                try:
                    value = float(value)
                except ValueError:
                    raise RuleError(key, f"{value!r} is not a number") from None
                setattr(self, key, value)
            if value < 0:
                raise RuleError(key, f"must be at least 0, not {value}")


class Performance(Struct, kw_only=True, omit_defaults=True):
    """Medians in milliseconds, and their ratio reference/solution."""

    latency_ms: float = 0.0
    reference_latency_ms: float = 0.0
    speedup_factor: float = 0.0

    def __post_init__(self) -> None:
        for key in ("latency_ms", "reference_latency_ms", "speedup_factor"):
            value = getattr(self, key)
            if value < 0 or math.isnan(value):
                raise RuleError(key, f"must be at least 0, not {value}")


class Evaluation(Struct, kw_only=True, omit_defaults=True):
    """The verdict on one solution and one workload."""

    status: Status
    environment: Environment
    timestamp: str
    log: str = ""
    correctness: Correctness | None = None
    performance: Performance | None = None

    def __post_init__(self) -> None:
        if not self.timestamp:
            raise RuleError("timestamp", "must not be empty")
        passed = self.status is Status.PASSED
        compared = passed or self.status is Status.INCORRECT_NUMERICAL
        _demand("correctness", self.correctness, compared, self.status)
        _demand("performance", self.performance, passed, self.status)


def _demand(key: str, block: object, wanted: bool, status: Status) -> None:
    if wanted and block is None:
        raise RuleError(key, f"status {status} needs this block")
    if not wanted and block is not None:
        raise RuleError(key, f"status {status} must not have this block")


class Trace(Struct, kw_only=True):
    """One line: a workload alone, or a workload with the evaluation of a solution on it."""

    definition: str
    workload: Workload
    solution: str | None = None
    evaluation: Evaluation | None = None

    def __post_init__(self) -> None:
        if not self.definition:
            raise RuleError("definition", "must not be empty")

    @property
    def is_workload(self) -> bool:
        """True for a line of a workload file: no solution and no evaluation."""
        return self.solution is None and self.evaluation is None
