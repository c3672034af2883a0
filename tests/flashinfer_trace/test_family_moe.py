"""Mixtures of experts: routing and networks against dense float64, the sample and the baseline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from flashinfer_trace.authoring.moe import packed_routing
from flashinfer_trace.authoring.streams import Stream
from tests.flashinfer_trace.bundled import definitions, load
from tests.flashinfer_trace.families import names
from tests.flashinfer_trace.shrunk import (
    baseline,
    make,
    outputs_of,
    plan,
    reference,
    sample,
    sampled,
    shrunk,
)

NAMES = names("moe")
TOKENS = 11


def small(name: str, seed: str = "1") -> dict[str, Any]:
    definition = shrunk(name)
    given: dict[str, Any] = {}
    if "local_expert_offset" in definition.inputs:
        total, held = (definition.const_axes[f"num_{kind}experts"] for kind in ("", "local_"))
        given = {"local_expert_offset": (total - held) // 2, "routed_scaling_factor": 2.5}
    if "topk_ids" in definition.inputs:
        top_k, experts = definition.const_axes["top_k"], definition.const_axes["num_experts"]
        packed = packed_routing(Stream(int(seed)), TOKENS, top_k, experts)
        given = {"topk_ids": torch.from_numpy(packed)}
    return make(definition, {"seq_len": TOKENS}, given, seed)


def double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


def shares(name: str, values: dict[str, Any]) -> np.ndarray:
    """How much each token takes from each expert, [tokens, experts of all ranks]."""
    if "topk_ids" in values:
        experts = int(definitions()[name]["axes"]["num_experts"]["value"])
        result = np.zeros((TOKENS, experts))
        for token, row in enumerate(values["topk_ids"].tolist()):
            for item in row:
                bits = torch.tensor(item & 0xFFFF, dtype=torch.int32).to(torch.int16)
                result[token, item >> 16] = bits.view(torch.bfloat16).item()
        return result
    logits = double(values["routing_logits"])
    top_k = int(definitions()[name]["axes"].get("top_k", {"value": 8})["value"])
    result = np.zeros(logits.shape)
    for token, row in enumerate(logits):
        scores = 1 / (1 + np.exp(-row))
        key = row
        if "routed_scaling_factor" in values:
            key = scores + double(values["routing_bias"])
            found = re.search(r"_ng(\d+)_kg(\d+)_", name)
            assert found
            number, kept = map(int, found.groups())
            groups = key.reshape(number, -1)
            strength = np.sort(groups, axis=1)[:, -2:].sum(axis=1)
            for group in np.argsort(strength)[: number - kept]:
                groups[group] = -np.inf
        chosen = np.argsort(-key)[:top_k]
        if "routed_scaling_factor" in values:
            result[token, chosen] = scores[chosen] / scores[chosen].sum() * 2.5
        elif top_k == 1:
            result[token, chosen] = scores[chosen]
        else:
            weights = np.exp(row[chosen])
            result[token, chosen] = weights / weights.sum()
    return result


def blown_up(values: dict[str, Any], name: str) -> np.ndarray:
    """A tensor times the scales of its blocks, if it has any."""
    whole = double(values[name])
    scales = values.get(f"{name}_scale")
    if scales is None:
        return whole
    blocks = double(scales.t() if name == "hidden_states" else scales)
    for axis in range(whole.ndim):
        blocks = np.repeat(blocks, whole.shape[axis] // blocks.shape[axis], axis=axis)
    return whole * blocks


def dense(name: str, values: dict[str, Any]) -> np.ndarray:
    """Every token through every expert of this rank, then the weighted sum."""
    hidden = blown_up(values, "hidden_states")
    first, second = blown_up(values, "gemm1_weights"), blown_up(values, "gemm2_weights")
    begin = int(values.get("local_expert_offset", 0))
    weights = shares(name, values)[:, begin : begin + len(first)]
    before, after = np.ones_like(weights), weights
    if "per_tensor" in name and "topk1_" in name:
        before, after = weights, (weights > 0).astype(float)
    rows = np.einsum("te,th,eoh->teo", before, hidden, first)
    linear, gate = np.split(rows, 2, axis=2)
    if "output1_scales_scalar" in values:
        linear = linear * double(values["output1_scales_scalar"])[:, None]
        gate = gate * double(values["output1_scales_gate_scalar"])[:, None]
        after = after * double(values["output2_scales_scalar"])
    inner = linear * gate / (1 + np.exp(-gate))
    return np.einsum("te,tei,ehi->th", after, inner, second)


@pytest.mark.parametrize("name", NAMES)
def test_a_mixture_is_what_dense_float64_gives(name: str) -> None:
    values = small(name)
    before = {key: torch.as_tensor(value).clone() for key, value in values.items()}
    output = reference(name)(*values.values())
    assert all(torch.equal(torch.as_tensor(values[key]), before[key]) for key in values)
    assert output.dtype == torch.bfloat16 and output.isfinite().all()
    exact = dense(name, values)
    assert 0.01 < np.abs(exact).mean() < 10
    np.testing.assert_allclose(double(output), exact, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_passes_and_another_sets_output_does_not(name: str, tmp_path: Path) -> None:
    definition, values = shrunk(name), small(name)
    record = baseline(name)
    found = outputs_of(definition, record, load(record, tmp_path), values)
    expected = [reference(name)(*values.values())]
    chosen = plan(definition)
    assert (chosen.evaluator, chosen.rule.matched_ratio) == ("experts", 0.95)
    judge = BY_NAME[chosen.evaluator].compare
    assert judge(definition, values, expected, [found], chosen.rule)[0].ok
    other = [reference(name)(*small(name, "2").values())]
    assert not judge(definition, values, expected, [other], chosen.rule)[0].ok


@pytest.mark.parametrize("name", sampled("moe"))
def test_a_mixture_means_what_the_real_one_means(name: str) -> None:
    axes = shrunk(name).const_axes
    experts = axes.get("num_experts", axes.get("num_local_experts", 0))
    sizes = {"H": 64, "I": 32, "E": experts, "BLOCK": 16}
    if "routed_scaling_factor" in shrunk(name).inputs:
        sizes.pop("E")
    real = sample(name, sizes)
    for seed in "12":
        values = small(name, seed)
        expected = real(**values)
        torch.testing.assert_close(
            reference(name)(*values.values()), expected, rtol=2**-7, atol=1e-4
        )


def test_routing_that_is_stored_is_of_different_experts_and_sums_to_one() -> None:
    packed = packed_routing(Stream(1), 50, 8, 64)
    experts, bits = packed >> 16, packed << 16
    assert all(len(set(row)) == 8 and set(row) <= set(range(64)) for row in experts.tolist())
    np.testing.assert_allclose(bits.view(np.float32).sum(axis=1), 1, atol=0.04)
    alone = packed_routing(Stream(1), 50, 1, 16) << 16
    assert ((alone.view(np.float32) >= 0.5) & (alone.view(np.float32) < 1)).all()
