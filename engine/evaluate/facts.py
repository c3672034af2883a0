"""What a comparison is told and what it finds; plain values that travel between processes."""

from __future__ import annotations

from msgspec import Struct, field


class Rule(Struct, kw_only=True, frozen=True):
    """When two tensors count as equal: ``|x - y| <= atol + rtol * |y|`` for enough elements."""

    atol: float
    rtol: float
    matched_ratio: float = 1.0


class Check(Struct, kw_only=True, omit_defaults=True):
    """What a comparison found for one output.

    Args:
        output: Name of the output.
        elements: Number of elements compared.
        bad: Number that broke the rule.
        max_abs: Largest absolute error among elements that are finite on both sides; "Infinity"
            where it is beyond float32.
        max_rel: Largest relative error, likewise.
        non_finite: Elements whose NaN or infinity does not match in place and sign.
        ok: Whether enough elements match.
        upstream_ok: Whether flashinfer-bench's rule would accept it.
        worst: [index, expected, got] of the worst elements; text where not a finite number.
        message: What is wrong, where the numbers do not say it.
    """

    output: str
    ok: bool
    elements: int = 0
    bad: int = 0
    max_abs: float | str = 0.0
    max_rel: float | str = 0.0
    non_finite: int = 0
    upstream_ok: bool | None = None
    worst: list[tuple[list[int], float | str, float | str]] = field(default_factory=list)
    message: str = ""
