"""Which evaluator judges a definition, and what it asks for. The first match wins."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from msgspec import Struct

from engine.evaluate.facts import Rule
from engine.schema.definition import Definition
from engine.schema.names import DType
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
EXPERTS_MATCHED_RATIO = 0.95
"""Of a mixture of experts in low precision: a token near a border may take another expert."""
DRAWS = 2000
DRAWS_QUICK = 256
MOST_REPEATS = 500


def _rule(settings: Settings, matched_ratio: float = 1.0) -> Rule:
    return Rule(
        atol=DEFAULT_ATOL if settings.atol is None else settings.atol,
        rtol=DEFAULT_RTOL if settings.rtol is None else settings.rtol,
        matched_ratio=matched_ratio if settings.matched_ratio is None else settings.matched_ratio,
    )


def _one_call(
    evaluator: str, matched_ratio: float = 1.0
) -> Callable[[Definition, Workload, Settings], Plan]:
    """The plan of an evaluator that judges one call on each of several sets."""

    def plan(definition: Definition, workload: Workload, settings: Settings) -> Plan:
        rule = _rule(settings, matched_ratio)
        return Plan(evaluator=evaluator, sets=settings.input_sets, repeat=1, rule=rule)

    return plan


def _sampling_plan(definition: Definition, workload: Workload, settings: Settings) -> Plan:
    """Enough draws over all rows and calls for a test of the distribution."""
    rows = max(1, workload.axes.get("batch_size", 1))
    draws = DRAWS_QUICK if settings.quick else DRAWS
    repeat = min(MOST_REPEATS, max(4, ceil(draws / rows)))
    return Plan(evaluator="sampling", sets=1, repeat=repeat, rule=_rule(settings))


_LOW_BIT = (DType.FLOAT8_E4M3FN, DType.FLOAT8_E5M2, DType.FLOAT4_E2M1)


def _is_low_bit_experts(definition: Definition) -> bool:
    low_bit = any(spec.dtype in _LOW_BIT for spec in definition.inputs.values())
    tagged = any(tag.startswith("quantization:") for tag in definition.tags)
    return definition.op_type == "moe" and (low_bit or tagged)


def _is_sparse_attention(definition: Definition) -> bool:
    known = {"ckv_cache", "sparse_indices"} <= set(definition.inputs)
    return definition.op_type == "dsa_paged" and known


def _is_topk_indexer(definition: Definition) -> bool:
    used = {"q_index_fp8", "k_index_cache_fp8", "weights", "seq_lens", "block_table"}
    named = used <= set(definition.inputs) and list(definition.outputs) == ["topk_indices"]
    return definition.op_type == "dsa_paged" and named


EVALUATORS: list[EvaluatorSpec] = [
    EvaluatorSpec(
        name="sampling", matches=lambda found: found.op_type == "sampling", plan=_sampling_plan
    ),
    EvaluatorSpec(
        name="experts",
        matches=_is_low_bit_experts,
        plan=_one_call("experts", EXPERTS_MATCHED_RATIO),
    ),
    EvaluatorSpec(
        name="recurrence",
        matches=lambda found: found.op_type in ("gdn", "mamba_ssu"),
        plan=_one_call("recurrence"),
    ),
    EvaluatorSpec(
        name="sparse_attention", matches=_is_sparse_attention, plan=_one_call("sparse_attention")
    ),
    EvaluatorSpec(name="topk_indexer", matches=_is_topk_indexer, plan=_one_call("topk_indexer")),
    EvaluatorSpec(name="default", matches=lambda found: True, plan=_one_call("default")),
]


def plan_for(definition: Definition, workload: Workload, settings: Settings) -> Plan:
    """How to check solutions of a definition on a workload."""
    chosen = next(spec for spec in EVALUATORS if spec.matches(definition))
    return chosen.plan(definition, workload, settings)
