"""Mixtures of experts: of an expert that no token goes to, nothing is read or computed."""

from __future__ import annotations

import math

import pytest
import torch
from msgspec import structs

from engine.evaluate.inputs import Value
from engine.measure.facts import Work
from engine.measure.work import work_of
from tests.engine.measure.bundled_work import (
    completed,
    definition_of,
    inputs_of,
    table,
    work_with,
    workload_of,
)

GROUPED = "moe_fp8_block_scale_ds_routing_topk8_ng8_kg4_e32_h7168_i2048"
SIGMOID = "trtllm_fp8_per_tensor_scale_moe_topk1_e16_h5120_i8192"
ROUTED = "trtllm_fp4_block_scale_routed_moe_topk8_e64_h4096_i1536"


def rows(values: dict[str, Value], name: str) -> list[list[float]]:
    value = values[name]
    assert isinstance(value, torch.Tensor)
    found: list[list[float]] = torch.atleast_2d(value.float()).tolist()
    return found


def best(scores: dict[int, float], count: int) -> list[int]:
    return sorted(scores, key=lambda expert: -scores[expert])[:count]


def test_grouped_routing_on_one_rank_of_several() -> None:
    workload, definition = workload_of(GROUPED, seq_len=30), definition_of(GROUPED)
    values = inputs_of(GROUPED, workload)
    (bias,) = rows(values, "routing_bias")
    offset = int(values["local_expert_offset"])
    pairs = []
    for token, logits in enumerate(rows(values, "routing_logits")):
        scores = {i: 1 / (1 + math.exp(-x)) + bias[i] for i, x in enumerate(logits)}
        groups = {}
        for group in range(8):
            members = range(group * 32, group * 32 + 32)
            groups[group] = sum(sorted(scores[expert] for expert in members)[-2:])
        kept = best(groups, 4)
        among = {i: score for i, score in scores.items() if i // 32 in kept}
        pairs += [(token, i) for i in best(among, 8) if offset <= i < offset + 32]
    seq_len = workload.axes["seq_len"]
    tokens, used = {token for token, _ in pairs}, {expert for _, expert in pairs}
    assert 0 < len(tokens) < seq_len
    expert = 4096 * 7168 + 7168 * 2048 + 4 * (32 * 56 + 56 * 16)
    read = seq_len * 256 * 4 + 256 * 2 + len(used) * expert + len(tokens) * (7168 + 56 * 4)
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=read,
        written_bytes=seq_len * 7168 * 2,
        flops={"fp8": 2 * len(pairs) * (7168 * 4096 + 2048 * 7168)},
        basis="formula",
    )


@pytest.mark.parametrize(
    ("name", "top_k", "rate", "expert", "row"),
    [
        (SIGMOID, 1, "fp8", 3 * 5120 * 8192 + 3 * 4, 5120),
        (
            "moe_fp8_block_scale_renorm_topk8_e128_h2048_i768",
            8,
            "fp8",
            3 * 2048 * 768 + 4 * (12 * 16 + 16 * 6),
            2048 + 16 * 4,
        ),
        (
            "trtllm_fp4_block_scale_moe_topk10_e128_h2048_i512",
            10,
            "fp4",
            4 * 3 * 2048 * 512,
            2048 * 2,
        ),
    ],
)
def test_routing_by_logits(name: str, top_k: int, rate: str, expert: int, row: int) -> None:
    workload, definition = workload_of(name), definition_of(name)
    values = inputs_of(name, workload)
    chosen = [best(dict(enumerate(logits)), top_k) for logits in rows(values, "routing_logits")]
    seq_len, length = workload.axes["seq_len"], definition.const_axes
    used = len({expert for experts in chosen for expert in experts})
    logits = seq_len * length.get("num_experts", length.get("num_local_experts", 0)) * 2
    matrices = 3 * length["hidden_size"] * length["intermediate_size"]
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=logits + used * expert + seq_len * row,
        written_bytes=seq_len * length["hidden_size"] * 2,
        flops={rate: 2 * seq_len * top_k * matrices},
        basis="formula",
    )


def test_routing_that_comes_with_the_tokens() -> None:
    workload, definition = workload_of(ROUTED, seq_len=8), definition_of(ROUTED)
    values = inputs_of(ROUTED, workload)
    chosen = [packed >> 16 for packed in table(values, "topk_ids")]
    seq_len = workload.axes["seq_len"]
    assert len(chosen) == seq_len * 8 and len(set(chosen)) < 64
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=4 * len(chosen) + len(set(chosen)) * 4 * 3 * 4096 * 1536 + seq_len * 4096 * 2,
        written_bytes=seq_len * 4096 * 2,
        flops={"fp4": 2 * len(chosen) * 3 * 4096 * 1536},
        basis="formula",
    )


def test_an_expert_that_a_token_names_twice_is_asked_once() -> None:
    twice = [[(expert << 16) + 1 for expert in (5, 5, 1, 2, 3, 4, 6, 7)]]
    work = work_with(ROUTED, {"seq_len": 1}, topk_ids=twice)
    assert work.flops == {"fp4": 2 * 7 * 3 * 4096 * 1536}


def test_a_rank_without_tokens_reads_what_the_routing_depends_on() -> None:
    logits = torch.zeros(1, 256)
    logits[0, 32 : 32 + 8], logits[0, 64], logits[0, 96] = 3.0, 4.0, 4.0
    definition = definition_of(GROUPED)
    given = {"routing_logits": logits, "routing_bias": torch.zeros(256, dtype=torch.bfloat16)}
    work = work_of(definition, {"seq_len": 1}, completed(definition, {"seq_len": 1}, given))
    assert work.flops == {} and work.written_bytes == 7168 * 2
    assert work.read_bytes == 256 * 4 + 256 * 2


@pytest.mark.parametrize("missing", ["TOP_K", "N_GROUP", "TOPK_GROUP"])
def test_routing_that_is_told_nowhere_is_not_guessed(missing: str) -> None:
    definition, workload = definition_of(GROUPED), workload_of(GROUPED)
    axes = {name: axis for name, axis in definition.axes.items() if name != "top_k"}
    source = definition.reference.replace(f"\n{missing} = ", "\nelsewhere = ")
    hidden = structs.replace(definition, axes=axes, reference=source)
    values = inputs_of(GROUPED, workload)
    assert work_of(definition, workload.axes, values).basis == "formula"
    assert work_of(hidden, workload.axes, values).basis == "shapes"
