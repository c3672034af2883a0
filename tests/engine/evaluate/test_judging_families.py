"""Each family's evaluator passes its reference, also rounded otherwise, and nothing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from tests.flashinfer_trace import (
    test_family_dsa_paged,
    test_family_gdn,
    test_family_mamba_ssu,
    test_family_moe,
)
from tests.flashinfer_trace.shrunk import plan, reference, shrunk

Outputs = list[torch.Tensor]
CASES: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "moe_fp8_block_scale_ds_routing_topk8_ng8_kg4_e32_h7168_i2048": test_family_moe.small,
    "moe_fp8_block_scale_ds_routing_topk8_ng1_kg1_e48_h7168_i2048": test_family_moe.small,
    "moe_fp8_block_scale_renorm_topk10_e128_h2048_i512": test_family_moe.small,
    "trtllm_fp8_per_tensor_scale_moe_topk8_e128_h2048_i768": test_family_moe.small,
    "trtllm_fp8_per_tensor_scale_moe_topk1_e16_h5120_i8192": test_family_moe.small,
    "trtllm_fp4_block_scale_moe_topk8_e64_h4096_i1536": test_family_moe.small,
    "trtllm_fp4_block_scale_moe_topk1_e16_h5120_i8192": test_family_moe.small,
    "trtllm_fp4_block_scale_routed_moe_topk8_e64_h4096_i1536": test_family_moe.small,
    "gdn_decode_qk4_v8_d128_k_last": test_family_gdn.small,
    "gdn_mtp_qk4_v8_d128_k_last": test_family_gdn.small,
    "gdn_prefill_qk4_v8_d128_k_last": test_family_gdn.small,
    "mamba_ssu_decode_h64_d64_s128_ng4": test_family_mamba_ssu.small,
    "dsa_sparse_attention_h16_ckv512_kpe64_topk2048_ps1": test_family_dsa_paged.attention_inputs,
    "dsa_sparse_attention_h16_ckv512_kpe64_topk2048_ps64": test_family_dsa_paged.attention_inputs,
}


def judged(name: str, values: dict[str, Any], expected: Outputs, got: Outputs) -> list[bool]:
    definition = shrunk(name)
    chosen = plan(definition)
    checks = BY_NAME[chosen.evaluator].compare(definition, values, expected, [got], chosen.rule)
    return [check.ok for check in checks]


def results(name: str, seed: str = "1") -> tuple[dict[str, Any], Outputs]:
    values = CASES[name](name, seed)
    returned = reference(name)(*values.values())
    return values, list(returned) if isinstance(returned, tuple) else [returned]


def rounded_otherwise(tensor: torch.Tensor) -> torch.Tensor:
    """Every number one step of its dtype larger or smaller."""
    if tensor.dtype is not torch.bfloat16:
        return tensor * (1 + 1e-6)
    bits = torch.Generator().manual_seed(1)
    steps = 2 * torch.randint(0, 2, tensor.shape, generator=bits, dtype=torch.int16) - 1
    moved = (tensor.view(torch.int16) + steps).view(torch.bfloat16)
    return torch.where(tensor == 0, tensor, moved)


@pytest.mark.parametrize("name", CASES)
def test_the_reference_passes_and_so_do_its_neighbours(name: str) -> None:
    values, expected = results(name)
    assert all(judged(name, values, expected, [item.clone() for item in expected]))
    assert all(judged(name, values, expected, [rounded_otherwise(item) for item in expected]))


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_fails(name: str) -> None:
    values, expected = results(name)

    def fails(change: Callable[[torch.Tensor], torch.Tensor]) -> bool:
        return not judged(name, values, expected, [change(expected[0]), *expected[1:]])[0]

    def without_a_tile(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor[..., : max(1, tensor.shape[-1] // 4)] = 0
        return tensor

    bits = torch.Generator().manual_seed(1)
    shuffled = torch.randperm(expected[0].numel(), generator=bits)
    assert fails(torch.zeros_like)
    assert fails(lambda tensor: tensor.flatten()[shuffled].view(tensor.shape))
    assert fails(lambda tensor: tensor.roll(1, 0))
    assert fails(without_a_tile)
    assert fails(lambda tensor: torch.full_like(tensor, torch.nan))
    assert not all(judged(name, values, expected, results(name, "2")[1]))
