"""Mixtures of experts: only experts that a token goes to are read, and only for such tokens."""

from __future__ import annotations

import ast
from collections import Counter

import torch

from engine.measure.facts import Work
from engine.measure.families.call import Call, Unfit, work

_OF_EXPERTS = (
    "gemm1_weights",
    "gemm1_weights_scale",
    "gemm2_weights",
    "gemm2_weights_scale",
    "output1_scales_scalar",
    "output1_scales_gate_scalar",
    "output2_scales_scalar",
)
_PACKED_BITS = 16


def mixture(call: Call) -> Work:
    """Gated experts of two matrices each, for tokens that come with logits or with experts."""
    tokens, hidden = call.shape("hidden_states", 2)
    local, gated, _ = call.shape("gemm1_weights", 3)
    inner = call.shape("gemm2_weights", 3)[2]
    chosen, read = _packed(call) if call.has("topk_ids") else _routed(call)
    if len(chosen) != tokens:
        raise Unfit("tokens and routing do not fit")
    here = chosen - call.scalar("local_expert_offset", 0)
    hits = torch.zeros(tokens, local + 1, dtype=torch.bool)
    # The last column takes what other ranks hold.
    hits.scatter_(1, here.where((here >= 0) & (here < local), local), True)
    hits = hits[:, :local]
    used, asking = (int(hits.any(dim=axis).sum()) for axis in (0, 1))
    read += used * sum(call.row(name) for name in filter(call.has, _OF_EXPERTS))
    read += asking * call.row("hidden_states")
    if call.has("hidden_states_scale"):  # [blocks, tokens]
        blocks, _ = call.shape("hidden_states_scale", 2)
        read += asking * blocks * call.row("hidden_states_scale", 2)
    flops = Counter({_rate(call): 2 * int(hits.sum()) * hidden * (gated + inner)})
    return work(read, call.written(), flops)


def _packed(call: Call) -> tuple[torch.Tensor, int]:
    """Experts of each token in the upper halves of numbers whose lower ones are weights."""
    return call.table("topk_ids", 2) >> _PACKED_BITS, call.nbytes("topk_ids")


def _routed(call: Call) -> tuple[torch.Tensor, int]:
    """Experts of each token by its logits, and the bytes of what they depend on."""
    constants = _constants(call.definition.reference)
    top_k = call.definition.const_axes.get("top_k", constants.get("TOP_K", 0))
    scores = call.tensor("routing_logits", 2).float()
    read = call.nbytes("routing_logits")
    if not 0 < top_k <= scores.shape[1]:
        raise Unfit("how many experts a token goes to is not known")
    if call.has("routed_scaling_factor"):
        bias = call.tensor("routing_bias", 1).to(scores.device).float()
        if len(bias) != scores.shape[1]:
            raise Unfit("not one bias for each expert")
        groups, kept = constants.get("N_GROUP", 0), constants.get("TOPK_GROUP", 0)
        scores = _open_groups(scores.sigmoid() + bias, groups, kept)
        read += call.nbytes("routing_bias")
    # Softmax and sigmoid keep the order of logits; a bias that comes with them alone is not used.
    return scores.topk(top_k, dim=1).indices.cpu(), read


def _open_groups(scores: torch.Tensor, groups: int, kept: int) -> torch.Tensor:
    """Scores of the groups of experts whose two best sum highest, and -inf of all others.

    DeepSeek-V3 Technical Report, section 2.1.2.
    """
    if groups < 1 or scores.shape[1] % groups or not 1 <= kept <= groups:
        raise Unfit("how experts are grouped is not known")
    if groups == 1:
        return scores
    grouped = scores.unflatten(1, (groups, -1))
    strength = grouped.topk(min(2, grouped.shape[2]), dim=2).values.sum(dim=2)
    is_open = torch.zeros_like(strength, dtype=torch.bool)
    is_open.scatter_(1, strength.topk(kept, dim=1).indices, True)
    return torch.where(is_open.unsqueeze(2), grouped, -torch.inf).flatten(1)


def _rate(call: Call) -> str:
    """Products at the width of weights or tokens, of 4 bits where the definition means such."""
    if any(tag.startswith("quantization:float4") for tag in call.definition.tags):
        return "fp4"
    return call.rate("hidden_states", "gemm1_weights", "gemm2_weights")


def _constants(source: str) -> dict[str, int]:
    """Whole numbers that a reference gives names in capitals: its routing is told nowhere else."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(value))):
                if name.isupper():
                    found[name] = value
    return found
