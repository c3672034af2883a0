"""Random inputs of operators that blindly random ones would break.

A recurrence whose keys are longer than 1 overflows, a router whose logits tie lets every kernel
choose other experts, bytes that are no keys decode to NaN. Only what a workload calls random is
changed here, and by arithmetic that rounds alike on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from engine.evaluate import random
from engine.evaluate.draw import HOST, Maker
from engine.evaluate.inputs import FLOAT8_LIMIT, Value, make_inputs
from engine.schema.definition import Definition
from engine.schema.workload import RandomInput, Workload

_WEIGHTS_OF = {
    "hidden_states_scale": "",
    "gemm1_weights_scale": "gemm1_weights",
    "output1_scales_scalar": "gemm1_weights",
    "output1_scales_gate_scalar": "gemm1_weights",
    "gemm2_weights_scale": "gemm2_weights",
    "output2_scales_scalar": "gemm2_weights",
}
"""Scales of mixtures of experts, and the weights whose products they scale."""
_FLOAT4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""The magnitudes of float4_e2m1."""
_LOGIT_RANGE = 4.0
_MOST_LOGITS = 256
"""Evenly spaced logits that bfloat16 can tell apart."""
_STEP_SHIFT = 3.0
"""Brings softplus(dt + dt_bias) to the few hundredths that state space models step by."""
_SCALE_BYTES = 4


def experts(
    definition: Definition,
    workload: Workload,
    seed: str,
    blobs: Mapping[str, str],
    maker: Maker = HOST,
) -> dict[str, Value]:
    """Inputs of a mixture of experts.

    Scales are positive, and products stay near 1. Weights that kernels keep in 4 bits are numbers
    that 4 bits can hold. Logits of 16 bits have no ties, and a bias does not outweigh them.
    """
    values = make_inputs(definition, workload, seed, blobs, maker)
    float4 = any(tag.startswith("quantization:float4") for tag in definition.tags)
    for name, tensor in _random(values, workload):
        if name in _WEIGHTS_OF:
            values[name] = (1.0 + tensor / 4.0) * _unit(definition, workload, _WEIGHTS_OF[name])
        elif name in _WEIGHTS_OF.values() and tensor.dtype.itemsize > 1:
            if float4:
                _round_to_float4(tensor)
            values[name] = tensor.mul_(_unit(definition, workload, name))
        elif name == "routing_logits" and tensor.dtype.itemsize == 2:
            values[name] = _without_ties(tensor)
        elif name == "routing_bias":
            values[name] = tensor / 16.0
    return values


def recurrence(
    definition: Definition,
    workload: Workload,
    seed: str,
    blobs: Mapping[str, str],
    maker: Maker = HOST,
) -> dict[str, Value]:
    """Inputs of a recurrent state's update, under which the state stays bounded.

    Keys of the gated delta rule have a length of about 1; its queries stay longer, or what they
    read would be small beside the tolerance. The decay of a state space model is negative and one
    number a head, its steps are small.
    """
    values = make_inputs(definition, workload, seed, blobs, maker)
    for name, tensor in _random(values, workload):
        if definition.op_type == "gdn" and name == "k":
            values[name] = tensor.float().mul_(1 / math.sqrt(tensor.shape[-1])).to(tensor.dtype)
        elif definition.op_type == "mamba_ssu" and name == "A" and tensor.dim() == 3:
            decay = -1.0 - 4.0 * tensor[:, :1, :1].abs()
            values[name] = decay.expand(tensor.shape).contiguous()
        elif definition.op_type == "mamba_ssu" and name == "dt_bias":
            values[name] = (tensor.float() - _STEP_SHIFT).to(tensor.dtype)
    return values


def sparse_attention(
    definition: Definition,
    workload: Workload,
    seed: str,
    blobs: Mapping[str, str],
    maker: Maker = HOST,
) -> dict[str, Value]:
    """Inputs of sparse attention: indices point into the cache, none twice for a token."""
    values = make_inputs(definition, workload, seed, blobs, maker)
    for name, tensor in _random(values, workload):
        if name == "sparse_indices":
            pages, page_size = (definition.shape_of("ckv_cache", workload.axes) or (0, 0))[:2]
            rows, width = tensor.shape
            words = random.stream(seed, f"{name} start")
            start = HOST.integers(words, rows, pages * page_size, torch.int64)
            run = torch.arange(width).masked_fill(torch.arange(width) >= pages * page_size, -1)
            found = (start.unsqueeze(1) + run) % max(1, pages * page_size)
            values[name] = found.masked_fill(run == -1, -1).to(tensor.dtype)
    return values


def topk_indexer(
    definition: Definition,
    workload: Workload,
    seed: str,
    blobs: Mapping[str, str],
    maker: Maker = HOST,
) -> dict[str, Value]:
    """Inputs of an indexer: the bytes of its cache are 8-bit floats, then their positive scales."""
    values = make_inputs(definition, workload, seed, blobs, maker)
    for name, tensor in _random(values, workload):
        if name == "k_index_cache_fp8" and tensor.dim() == 4:
            pages, page_size, _, width = tensor.shape
            count = pages * page_size
            words = random.stream(seed, f"{name} keys")
            numbers = count * (width - _SCALE_BYTES)
            keys = maker.normal(words, numbers, torch.float8_e4m3fn, FLOAT8_LIMIT)
            words = random.stream(seed, f"{name} scales")
            scales = 1.0 + maker.normal(words, count, torch.float32).to(keys.device) / 4.0
            parts = [part.view(torch.int8).reshape(pages, -1) for part in (keys, scales)]
            values[name] = torch.cat(parts, dim=1).reshape(tensor.shape)
    return values


def _unit(definition: Definition, workload: Workload, weights: str) -> float:
    """A power of two near one over the root of how many products of some weights are summed."""
    if weights not in definition.inputs:
        return 1.0
    depth = (definition.shape_of(weights, workload.axes) or (1,))[-1]
    return float(2.0 ** -(depth.bit_length() // 2))


def _round_to_float4(tensor: torch.Tensor) -> None:
    """Replace each number by the nearest that 4 bits hold; expert by expert, to need no copy."""
    levels = torch.tensor(_FLOAT4, device=tensor.device)
    middles = (levels[1:] + levels[:-1]) / 2
    for part in tensor:
        nearest = torch.bucketize(part.float().abs(), middles, out_int32=True)
        part.copy_(levels[nearest].copysign_(part))


def _without_ties(logits: torch.Tensor) -> torch.Tensor:
    """Logits in the same order within each row, but evenly spaced."""
    count = logits.shape[1]
    if count > _MOST_LOGITS:
        return logits
    rank = logits.float().argsort(dim=1, stable=True).argsort(dim=1)
    step = _LOGIT_RANGE * 2.0 ** -(count - 1).bit_length()
    return ((2 * rank - (count - 1)) * step).to(logits.dtype)


def _random(values: Mapping[str, Value], workload: Workload) -> list[tuple[str, torch.Tensor]]:
    """The tensors among the inputs that the workload leaves to chance."""
    return [
        (name, value)
        for name, value in values.items()
        if isinstance(workload.inputs[name], RandomInput) and isinstance(value, torch.Tensor)
    ]
