"""Which evaluator judges a definition, and with how many sets and calls."""

from __future__ import annotations

from typing import Any

import pytest

from engine.evaluate.evaluators import BY_NAME
from engine.evaluate.facts import Rule
from engine.evaluate.registry import DRAWS, EVALUATORS, MOST_REPEATS, Plan, plan_for
from engine.schema import QUICK, Definition, Settings, Workload
from engine.schema.definition import AxisVar, TensorSpec
from engine.schema.names import DType


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


def chosen(op_type: str, *inputs: str, dtype: str = "bfloat16", tags: tuple[str, ...] = ()) -> Plan:
    spec = TensorSpec(shape=["batch_size"], dtype=DType(dtype))
    definition = Definition(
        name="d",
        op_type=op_type,
        axes={"batch_size": AxisVar()},
        inputs=dict.fromkeys(inputs, spec),
        outputs={"topk_indices": spec},
        reference="def run(): ...",
        tags=list(tags),
    )
    return plan_for(definition, Workload(uuid="w", axes={}, inputs={}), Settings())


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1"])
def test_experts_of_low_precision_may_miss_one_element_in_twenty(dtype: str) -> None:
    found = chosen("moe", "x", dtype=dtype)
    assert found.rule == Rule(atol=0.01, rtol=0.01, matched_ratio=0.95)
    assert (found.evaluator, found.sets, found.repeat) == ("experts", 3, 1)


def test_only_low_precision_earns_experts_that_allowance() -> None:
    assert chosen("moe", "x").evaluator == "default"
    assert chosen("moe", "x", tags=("quantization:float4_e2m1fn_mxfp4",)).evaluator == "experts"
    assert chosen("gemm", "x", dtype="float8_e4m3fn").evaluator == "default"


def test_settings_overrule_the_allowance_of_experts() -> None:
    definition = Definition(
        name="d",
        op_type="moe",
        axes={},
        inputs={"x": TensorSpec(shape=[], dtype=DType.FLOAT8_E4M3FN)},
        outputs={},
        reference="def run(x): ...",
    )
    workload = Workload(uuid="w", axes={}, inputs={})
    assert plan_for(definition, workload, Settings(matched_ratio=1.0)).rule.matched_ratio == 1.0


@pytest.mark.parametrize("op_type", ["gdn", "mamba_ssu"])
def test_recurrences_are_compared_exactly_like_others(op_type: str) -> None:
    found = chosen(op_type, "k")
    assert (found.evaluator, found.rule) == ("recurrence", Rule(atol=0.01, rtol=0.01))


def test_sparse_attention_and_its_indexer_are_told_by_their_inputs() -> None:
    names = ("q_index_fp8", "k_index_cache_fp8", "weights", "seq_lens", "block_table")
    assert chosen("dsa_paged", *names).evaluator == "topk_indexer"
    assert chosen("dsa_paged", *names[1:]).evaluator == "default"
    assert chosen("dsa_paged", "ckv_cache", "sparse_indices").evaluator == "sparse_attention"
    assert chosen("mla_paged", "ckv_cache", "sparse_indices").evaluator == "default"
