"""Which evaluator judges a definition, and with how many sets and calls."""

from __future__ import annotations

from typing import Any

import pytest

from engine.evaluate.evaluators import BY_NAME
from engine.evaluate.facts import Rule
from engine.evaluate.registry import DRAWS, EVALUATORS, MOST_REPEATS, Plan, plan_for
from engine.schema import QUICK, Definition, Settings, Workload
from engine.schema.definition import AxisVar


def plan(op_type: str, settings: Settings | None = None, **axes: int) -> Plan:
    definition = Definition(
        name="d",
        op_type=op_type,
        axes={"batch_size": AxisVar()},
        inputs={},
        outputs={},
        reference="def run(): ...",
    )
    workload = Workload(uuid="w", axes=axes, inputs={})
    return plan_for(definition, workload, settings or Settings())


def test_the_default_evaluator_takes_what_no_other_does() -> None:
    assert plan("never heard of") == Plan(
        evaluator="default", sets=3, repeat=1, rule=Rule(atol=0.01, rtol=0.01)
    )


def test_samplers_are_judged_by_many_calls_on_one_set() -> None:
    found = plan("sampling", batch_size=10)
    assert (found.evaluator, found.sets, found.repeat) == ("sampling", 1, DRAWS // 10)


@pytest.mark.parametrize(("batch", "repeat"), [(1, MOST_REPEATS), (0, MOST_REPEATS), (9999, 4)])
def test_the_number_of_calls_of_a_sampler_is_bounded(batch: int, repeat: int) -> None:
    assert plan("sampling", batch_size=batch).repeat == repeat


def test_a_sampler_without_a_batch_is_one_row() -> None:
    assert plan("sampling").repeat == MOST_REPEATS


def test_a_quick_run_draws_less_and_makes_one_set() -> None:
    assert plan("sampling", QUICK, batch_size=10).repeat < plan("sampling", batch_size=10).repeat
    assert plan("gemm", QUICK).sets == 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"atol": 0.0}, Rule(atol=0.0, rtol=0.01)),
        ({"rtol": 0.5}, Rule(atol=0.01, rtol=0.5)),
        ({"matched_ratio": 0.9}, Rule(atol=0.01, rtol=0.01, matched_ratio=0.9)),
    ],
)
def test_settings_overrule_the_evaluators_tolerances(given: Any, wanted: Rule) -> None:
    assert plan("gemm", Settings(**given)).rule == wanted


def test_every_evaluator_has_its_trusted_side() -> None:
    assert {spec.name for spec in EVALUATORS} == set(BY_NAME)
