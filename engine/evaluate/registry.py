"""Which evaluator judges a definition, and what it asks for. The first match wins."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from msgspec import Struct

from engine.evaluate.facts import Rule
from engine.schema.definition import Definition
from engine.schema.run import Settings
from engine.schema.workload import Workload


class Plan(Struct, kw_only=True, frozen=True):
    """How one evaluation checks correctness.

    Args:
        evaluator: Name of the evaluator, also on the trusted side (``evaluators``).
        sets: Sets of input values.
        repeat: Calls on each set whose outputs are judged together.
        rule: When values count as equal.
    """

    evaluator: str
    sets: int
    repeat: int
    rule: Rule


class EvaluatorSpec(Struct, kw_only=True, frozen=True):
    """One entry of the registry."""

    name: str
    matches: Callable[[Definition], bool]
    plan: Callable[[Definition, Workload, Settings], Plan]


DEFAULT_ATOL = 1e-2
DEFAULT_RTOL = 1e-2
DRAWS = 2000
DRAWS_QUICK = 256
MOST_REPEATS = 500


def _rule(settings: Settings) -> Rule:
    return Rule(
        atol=DEFAULT_ATOL if settings.atol is None else settings.atol,
        rtol=DEFAULT_RTOL if settings.rtol is None else settings.rtol,
        matched_ratio=1.0 if settings.matched_ratio is None else settings.matched_ratio,
    )


def _default_plan(definition: Definition, workload: Workload, settings: Settings) -> Plan:
    return Plan(evaluator="default", sets=settings.input_sets, repeat=1, rule=_rule(settings))


def _sampling_plan(definition: Definition, workload: Workload, settings: Settings) -> Plan:
    """Enough draws over all rows and calls for a test of the distribution."""
    rows = max(1, workload.axes.get("batch_size", 1))
    draws = DRAWS_QUICK if settings.quick else DRAWS
    repeat = min(MOST_REPEATS, max(4, ceil(draws / rows)))
    return Plan(evaluator="sampling", sets=1, repeat=repeat, rule=_rule(settings))


EVALUATORS: list[EvaluatorSpec] = [
    EvaluatorSpec(
        name="sampling", matches=lambda found: found.op_type == "sampling", plan=_sampling_plan
    ),
    EvaluatorSpec(name="default", matches=lambda found: True, plan=_default_plan),
]


def plan_for(definition: Definition, workload: Workload, settings: Settings) -> Plan:
    """How to check solutions of a definition on a workload."""
    chosen = next(spec for spec in EVALUATORS if spec.matches(definition))
    return chosen.plan(definition, workload, settings)
