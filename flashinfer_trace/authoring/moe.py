"""Mixtures of experts in low precision: 8-bit floats in blocks or per expert, and 4-bit floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flashinfer_trace.authoring.spec import (
    Array,
    Axis,
    Constants,
    Definition,
    Problem,
    Scalar,
    Solution,
    Stored,
    Tensor,
    Workload,
)
from flashinfer_trace.authoring.streams import Stream

_BLOCK = 128
_ROUTED_SCALING_FACTOR = 2.5  # DeepSeek V3
_SEQ_LENS = (1, 2, 8, 16, 32, 64, 128, 512, 2048, 8192)
_SEQ_LENS_STORED = (1, 2, 8, 16, 32, 64, 128, 512, 2048)
_SEQ_LENS_KIMI = ((1, 0), (2, 1), (4, 2), (16, 3), (32, 4), (64, 5), (256, 6), (1024, 7), (8192, 2))
# Steps that a server of DeepSeek V3 took: tokens, and the rank of eight that took them.
_SEQ_LENS_DEEPSEEK = (
    (1, 1), (7, 6), (14, 0), (15, 1), (16, 7), (32, 1), (52, 5), (53, 1), (54, 4), (55, 4), (56, 2),
    (57, 3), (58, 2), (59, 5), (62, 3), (80, 3), (901, 3), (11948, 4), (14107, 1),
)  # fmt: skip
_MOST_STORED_LOGITS = 16  # tokens; chance treats more of them fairly
_LOCAL_FAVOURITES = 3  # experts that a stored token is sure to find on its rank
_TORCH_BLOCKS = "Sorts the tokens by expert, dequantises block by block, matmul in bfloat16."
_TORCH = "Sorts the tokens by expert, then two bfloat16 products for each expert."


@dataclass(frozen=True)
class Model:
    """Where a shape comes from: what it is called in prose, and its tags."""

    title: str
    tags: tuple[str, ...]


DEEPSEEK = Model("DeepSeek V3 and R1", ("model:deepseek-v3", "model:deepseek-r1"))
KIMI = Model("Kimi K2", ("model:kimi-k2",))
QWEN_30B = Model("Qwen3 30B-A3B", ("model:qwen3-30b-a3b",))
QWEN_235B = Model("Qwen3 235B-A22B", ("model:qwen3-235b-a22b",))
QWEN_NEXT = Model("Qwen3 Next 80B-A3B", ("model:qwen3-next-80b-a3b",))
SCOUT = Model("Llama 4 Scout", ("model:llama-4-scout",))
MAVERICK = Model("Llama 4 Maverick", ("model:llama-4-maverick",))

_API = "fi_api:flashinfer.fused_moe."
_SEQ_LEN = Axis("seq_len", "Tokens of the batch.")
_OUTPUT = Tensor(
    "output", ("seq_len", "hidden_size"), "bfloat16", "Weighted sum over the experts of a token."
)
_RENORM = (
    "Each token goes to its top_k experts, weighted by the softmax of their logits, and the output "
    "is the weighted sum of theirs."
)
_LLAMA_4 = "Each token goes to the expert of highest logit, whose sigmoid weighs"
_GATED = "An expert is a SwiGLU network."


def _widths(hidden: int, intermediate: int) -> tuple[Axis, ...]:
    return (
        Axis("hidden_size", "Width of the model.", hidden),
        Axis("intermediate_size", "Width inside an expert.", intermediate),
        Axis("gemm1_out_size", "Rows of the first weight: linear half and gate.", 2 * intermediate),
    )


def _blocks(hidden: int, intermediate: int) -> tuple[Axis, ...]:
    text = "Blocks of 128 along"
    return (
        Axis("num_hidden_blocks", f"{text} hidden_size.", hidden // _BLOCK),
        Axis("num_intermediate_blocks", f"{text} intermediate_size.", intermediate // _BLOCK),
        Axis("num_gemm1_out_blocks", f"{text} gemm1_out_size.", 2 * intermediate // _BLOCK),
    )


def _weights(experts: str, dtype: str) -> tuple[Tensor, Tensor]:
    return (
        Tensor(
            "gemm1_weights",
            (experts, "gemm1_out_size", "hidden_size"),
            dtype,
            "First weight of each expert: rows of the linear half, then rows of the gate.",
        ),
        Tensor(
            "gemm2_weights",
            (experts, "hidden_size", "intermediate_size"),
            dtype,
            "Second weight of each expert.",
        ),
    )


def _block_scaled() -> tuple[Tensor, ...]:
    experts = "num_local_experts"
    first, second = _weights(experts, "float8_e4m3fn")
    return (
        Tensor("hidden_states", ("seq_len", "hidden_size"), "float8_e4m3fn", "Activations."),
        Tensor(
            "hidden_states_scale",
            ("num_hidden_blocks", "seq_len"),
            "float32",
            "Scale of each block of 128 activations of a token.",
        ),
        first,
        Tensor(
            "gemm1_weights_scale",
            (experts, "num_gemm1_out_blocks", "num_hidden_blocks"),
            "float32",
            "Scale of each 128 x 128 block of gemm1_weights.",
        ),
        second,
        Tensor(
            "gemm2_weights_scale",
            (experts, "num_hidden_blocks", "num_intermediate_blocks"),
            "float32",
            "Scale of each 128 x 128 block of gemm2_weights.",
        ),
    )


def _logits(dtype: str, experts: str) -> Tensor:
    return Tensor("routing_logits", ("seq_len", experts), dtype, "What the router says of experts.")


_BIAS_UNUSED = Tensor(
    "routing_bias",
    ("num_experts",),
    "bfloat16",
    "Part of the calling convention; this routing makes no use of it.",
)
_WIDTH_RULE = "gemm1_out_size == 2 * intermediate_size"
_BLOCK_RULES = (
    _WIDTH_RULE,
    "hidden_size == 128 * num_hidden_blocks",
    "intermediate_size == 128 * num_intermediate_blocks",
    "gemm1_out_size == 128 * num_gemm1_out_blocks",
)


def _baseline(definition: Definition, text: str) -> tuple[Solution, ...]:
    return (
        Solution(
            f"torch_{definition.name}",
            "baseline",
            "python",
            False,
            text,
            folder=definition.reference,
            constants=definition.constants,
        ),
    )


def _random(definition: Definition, text: str) -> Problem:
    """A definition all of whose tensors may be random."""
    workloads = tuple(Workload({"seq_len": tokens}) for tokens in _SEQ_LENS)
    return Problem(definition, workloads, _baseline(definition, text))


def stored_logits(stream: Stream, shape: tuple[int, int], local: range) -> NDArray[np.float32]:
    """Return logits like a router's, [tokens, experts]; each token has favourites among `local`."""
    tokens, experts = shape
    uniform = stream.uniform(4 * tokens * experts).reshape(4, tokens, experts)
    logits: NDArray[np.float64] = (uniform.sum(axis=0) - 2.0) * math.sqrt(3)  # deviation 1
    for row in logits:
        chosen = local.start + stream.subset(len(local), _LOCAL_FAVOURITES)
        row[chosen] = 3.0 + stream.uniform(_LOCAL_FAVOURITES)
    return logits.astype(np.float32)


def deepseek(
    model: Model,
    groups: tuple[int, int],
    experts: tuple[int, int],
    ranks: Sequence[tuple[int, int]],
    tags: tuple[str, ...],
) -> Problem:
    """Return a definition with DeepSeek's routing, its workloads, logits and baseline.

    Args:
        model: Where the shape comes from.
        groups: Of experts, and how many of them a token may use.
        experts: In all, and on one rank.
        ranks: Of each workload, the tokens and the rank.
        tags: What else to tag it with.
    """
    (number, kept), (total, held), hidden, inner = groups, experts, 7168, 2048
    grouped = f"in the {kept} best of {number} groups" if number > 1 else "of one group"
    # The definition of DeepSeek's own shape is older and has no such axis.
    with_top_k = (Axis("top_k", "Experts of a token.", 8),) if number == 1 else ()
    definition = Definition(
        name=f"moe_fp8_block_scale_ds_routing_topk8_ng{number}_kg{kept}_e{held}_h{hidden}_i{inner}",
        op_type="moe",
        description=(
            f"The experts of one rank, {held} of {total}, of a mixture in 8-bit floats with block "
            f"scales, as in {model.title}. Each token goes to the 8 experts {grouped} whose "
            "sigmoid plus bias is highest; their sigmoids, normalised and scaled, weigh what they "
            f"put out. {_GATED} What other ranks hold counts as 0."
        ),
        tags=(
            "status:verified",
            *model.tags,
            "quantization:float8_e4m3fn",
            f"{_API}trtllm_fp8_block_scale_moe",
            *tags,
        ),
        axes=(
            _SEQ_LEN,
            Axis("num_experts", "Experts of all ranks.", total),
            Axis("num_local_experts", "Experts of this rank.", held),
            *_widths(hidden, inner),
            *with_top_k,
            *_blocks(hidden, inner),
        ),
        inputs=(
            _logits("float32", "num_experts"),
            Tensor(
                "routing_bias",
                ("num_experts",),
                "bfloat16",
                "Added to the sigmoids to choose experts, not to weigh them.",
            ),
            *_block_scaled(),
            Tensor("local_expert_offset", None, "int32", "Number of this rank's first expert."),
            Tensor("routed_scaling_factor", None, "float32", "What a token's weights sum to."),
        ),
        outputs=(_OUTPUT,),
        constraints=(
            *_BLOCK_RULES,
            "local_expert_offset >= 0",
            "local_expert_offset + num_local_experts <= num_experts",
        ),
        reference="moe_fp8_block_scale_ds_routing",
        constants={"N_GROUP": number, "TOPK_GROUP": kept},
    )
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    file = "routing_logits.safetensors"
    for tokens, rank in ranks:
        offset = rank * held if held < total else 0
        inputs: dict[str, Scalar | Stored] = {
            "local_expert_offset": Scalar(offset),
            "routed_scaling_factor": Scalar(_ROUTED_SCALING_FACTOR),
        }
        if tokens <= _MOST_STORED_LOGITS:
            stream = Stream(total, held, tokens)
            local = range(offset, offset + held)
            tensors[f"tokens_{tokens}"] = stored_logits(stream, (tokens, total), local)
            inputs["routing_logits"] = Stored(file, f"tokens_{tokens}")
        workloads.append(Workload({"seq_len": tokens}, inputs))
    baseline = _baseline(definition, _TORCH_BLOCKS)
    return Problem(definition, tuple(workloads), baseline, {file: tensors})


def block_scale(model: Model, top_k: int, hidden: int, inner: int, tags: Sequence[str]) -> Problem:
    """Return a definition with block scales and renormalised routing over 128 experts."""
    definition = Definition(
        name=f"moe_fp8_block_scale_renorm_topk{top_k}_e128_h{hidden}_i{inner}",
        op_type="moe",
        description=(
            f"A mixture of 128 experts in 8-bit floats with block scales, as in {model.title}. "
            f"{_RENORM} {_GATED}"
        ),
        tags=(
            "status:verified",
            *model.tags,
            "quantization:float8_e4m3fn",
            f"{_API}trtllm_fp8_block_scale_moe",
            *tags,
        ),
        axes=(
            _SEQ_LEN,
            Axis("num_local_experts", "Experts, all of them on this rank.", 128),
            *_widths(hidden, inner),
            Axis("top_k", "Experts of a token.", top_k),
            *_blocks(hidden, inner),
        ),
        inputs=(_logits("bfloat16", "num_local_experts"), *_block_scaled()),
        outputs=(_OUTPUT,),
        constraints=(*_BLOCK_RULES, "top_k <= num_local_experts"),
        reference="moe_fp8_block_scale_renorm",
        constants={"TOP_K": top_k},
    )
    return _random(definition, _TORCH_BLOCKS)


def per_tensor(
    model: Model, top_k: int, experts: int, hidden: int, inner: int, tags: Sequence[str]
) -> Problem:
    """Return a definition whose scales are of a whole expert; with `top_k` 1 routed as Llama 4."""
    routing = f"{_LLAMA_4} what goes in." if top_k == 1 else _RENORM
    first, second = _weights("num_experts", "float8_e4m3fn")
    definition = Definition(
        name=f"trtllm_fp8_per_tensor_scale_moe_topk{top_k}_e{experts}_h{hidden}_i{inner}",
        op_type="moe",
        description=(
            f"A mixture of {experts} experts in 8-bit floats with scales for each expert, as in "
            f"{model.title}. {routing} {_GATED}"
        ),
        tags=(
            "status:verified",
            *model.tags,
            "quantization:float8_e4m3fn",
            f"{_API}trtllm_fp8_per_tensor_scale_moe",
            *tags,
        ),
        axes=_plain_axes(top_k, experts, hidden, inner),
        inputs=(
            _logits("bfloat16", "num_experts"),
            Tensor("hidden_states", ("seq_len", "hidden_size"), "float8_e4m3fn", "Activations."),
            first,
            Tensor(
                "output1_scales_scalar",
                ("num_experts",),
                "float32",
                "Factor of the linear half of the first product.",
            ),
            Tensor(
                "output1_scales_gate_scalar",
                ("num_experts",),
                "float32",
                "Factor of the gate, before its activation.",
            ),
            second,
            Tensor(
                "output2_scales_scalar",
                ("num_experts",),
                "float32",
                "Factor of the second product.",
            ),
            *((_BIAS_UNUSED,) if top_k == 1 else ()),
        ),
        outputs=(_OUTPUT,),
        constraints=(_WIDTH_RULE, "top_k <= num_experts"),
        reference=f"moe_fp8_per_tensor_{'sigmoid' if top_k == 1 else 'renorm'}",
        constants={"TOP_K": top_k},
    )
    return _random(definition, _TORCH)


def float4(
    model: Model, top_k: int, experts: int, hidden: int, inner: int, tags: Sequence[str]
) -> Problem:
    """Return a definition for weights in 4 bits; with `top_k` 1 routed as Llama 4."""
    routing = f"{_LLAMA_4} what comes out." if top_k == 1 else _RENORM
    definition = _float4_definition(
        "trtllm_fp4_block_scale_moe",
        (model, routing, f"moe_fp4_{'sigmoid' if top_k == 1 else 'renorm'}"),
        (top_k, experts, hidden, inner),
        tags,
        lambda rest: (
            _logits("bfloat16", "num_experts"),
            *rest,
            *((_BIAS_UNUSED,) if top_k == 1 else ()),
        ),
        {"TOP_K": top_k},
    )
    return _random(definition, _TORCH)


def float4_routed(
    model: Model, top_k: int, experts: int, hidden: int, inner: int, tags: Sequence[str]
) -> Problem:
    """Return a definition for weights in 4 bits whose routing is an input."""
    ids = Tensor(
        "topk_ids",
        ("seq_len", "top_k"),
        "int32",
        "An expert of each token in the upper 16 bits, the bits of its bfloat16 weight in the "
        "lower 16.",
    )
    definition = _float4_definition(
        "trtllm_fp4_block_scale_routed_moe",
        (model, "Each token comes with its experts and their weights.", "moe_fp4_routed"),
        (top_k, experts, hidden, inner),
        ("routing:pre-computed", *tags),
        lambda rest: (ids, *rest),
        {},
        "((topk_ids >= 0) & ((topk_ids >> 16) < num_experts)).all().item()",
    )
    file = "topk_ids.safetensors"
    tensors: dict[str, Array] = {}
    workloads: list[Workload] = []
    for tokens in _SEQ_LENS_STORED:
        key = f"tokens_{tokens}"
        tensors[key] = packed_routing(
            Stream(top_k, experts, hidden, tokens), tokens, top_k, experts
        )
        workloads.append(Workload({"seq_len": tokens}, {"topk_ids": Stored(file, key)}))
    return Problem(definition, tuple(workloads), _baseline(definition, _TORCH), {file: tensors})


def packed_routing(stream: Stream, tokens: int, top_k: int, experts: int) -> NDArray[np.int32]:
    """Return `top_k` different experts of each token with their weights, [tokens, top_k].

    The weights sum to 1, each smaller by one to four sixteenths than the one before; that of a lone
    expert is between one half and 1, as the sigmoid of the highest of some logits is.
    """
    chosen = np.stack([stream.permutation(experts)[:top_k] for _ in range(tokens)])
    if top_k == 1:
        weights = 0.5 + stream.uniform(tokens).reshape(tokens, 1) / 2
    else:
        steps = np.cumsum(stream.integers(1, 5, tokens * top_k).reshape(tokens, top_k), axis=1)
        # Powers of one constant by repeated products: the same bits on every machine.
        powers = np.cumprod(np.full(4 * top_k + 1, 15 / 16))
        weights = powers[steps] / powers[steps].cumsum(axis=1)[:, -1:]
    bits = weights.astype(np.float32).view(np.uint32) >> np.uint32(16)
    packed: NDArray[np.int32] = (chosen << 16 | bits.astype(np.int64)).astype(np.int32)
    return packed


def _plain_axes(top_k: int, experts: int, hidden: int, inner: int) -> tuple[Axis, ...]:
    return (
        _SEQ_LEN,
        Axis("num_experts", "Experts, all of them on this rank.", experts),
        *_widths(hidden, inner),
        Axis("top_k", "Experts of a token.", top_k),
    )


def _float4_definition(
    function: str,
    what: tuple[Model, str, str],
    shape: tuple[int, int, int, int],
    tags: Sequence[str],
    inputs: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]],
    constants: Constants,
    *constraints: str,
) -> Definition:
    (model, routing, reference), (top_k, experts, hidden, inner) = what, shape
    rest = (
        Tensor("hidden_states", ("seq_len", "hidden_size"), "bfloat16", "Activations."),
        *_weights("num_experts", "float32"),
    )
    return Definition(
        name=f"{function}_topk{top_k}_e{experts}_h{hidden}_i{inner}",
        op_type="moe",
        description=(
            f"A mixture of {experts} experts whose weights a kernel may keep as 4-bit floats in "
            f"scaled blocks, as in {model.title}. {routing} {_GATED}"
        ),
        tags=(
            "status:verified",
            *model.tags,
            "quantization:float4_e2m1fn_mxfp4",
            f"{_API}{function}",
            "gpu:sm100",
            *tags,
        ),
        axes=_plain_axes(top_k, experts, hidden, inner),
        inputs=inputs(rest),
        outputs=(_OUTPUT,),
        constraints=(_WIDTH_RULE, "top_k <= num_experts", *constraints),
        reference=reference,
        constants=constants,
    )


_FLOAT4_SHAPES = (
    (QWEN_NEXT, 10, 128, 2048, 512, ("ep:4",)),
    (MAVERICK, 1, 128, 5120, 8192, ("ep:1",)),
    (SCOUT, 1, 16, 5120, 8192, ("ep:1", "tp:8")),
    (QWEN_30B, 8, 128, 2048, 768, ("ep:1", "tp:1")),
    (QWEN_235B, 8, 64, 4096, 1536, ("ep:2", "tp:8")),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, routing and baselines."""
    return (
        deepseek(DEEPSEEK, (8, 4), (256, 32), _SEQ_LENS_DEEPSEEK, ("ep:8",)),
        deepseek(KIMI, (1, 1), (384, 384), _SEQ_LENS_KIMI, ("ep:1", "tp:8")),
        deepseek(KIMI, (1, 1), (384, 48), _SEQ_LENS_KIMI, ("ep:8", "tp:8")),
        block_scale(QWEN_NEXT, 10, 2048, 512, ("ep:1",)),
        block_scale(QWEN_30B, 8, 2048, 768, ("ep:1", "tp:1")),
        block_scale(QWEN_235B, 8, 4096, 1536, ("ep:1", "tp:8")),
        per_tensor(MAVERICK, 1, 128, 5120, 8192, ("ep:1",)),
        per_tensor(SCOUT, 1, 16, 5120, 8192, ("ep:1", "tp:8")),
        per_tensor(QWEN_30B, 8, 128, 2048, 768, ("ep:1", "tp:1")),
        *(float4(*shape) for shape in _FLOAT4_SHAPES),
        *(float4_routed(*shape) for shape in _FLOAT4_SHAPES),
    )
