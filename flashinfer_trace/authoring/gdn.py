"""The gated delta rule of Qwen3 Next's linear attention: decoding, verifying and prefilling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flashinfer_trace.authoring.spec import (
    Array,
    Axis,
    Definition,
    Problem,
    Scalar,
    Solution,
    Stored,
    Tensor,
    Workload,
)
from flashinfer_trace.authoring.streams import Stream

_HEAD_SIZE = 128
_SCALE = Scalar(1 / math.sqrt(_HEAD_SIZE))
_TENSOR_PARALLEL = (1, 2, 4)
_DECODE_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# (batch_size, seq_len, pool_size)
_VERIFY_BATCHES = (
    (1, 2, 4), (1, 4, 8), (2, 2, 8), (4, 4, 8), (8, 3, 16), (8, 8, 16), (16, 4, 32), (32, 2, 48),
    (32, 4, 48),
)  # fmt: skip
# (total_seq_len, num_seqs)
_PREFILL_BATCHES = (
    (7, 1), (64, 1), (130, 2), (513, 1), (1024, 4), (2048, 1), (4096, 16), (8192, 1), (8192, 32),
)  # fmt: skip
_STATE = ("num_v_heads", "head_size", "head_size")
_HEADS_RULES = ("num_v_heads % num_q_heads == 0", "num_k_heads == num_q_heads")
_RULE = (
    "A head's state, values by keys, decays by a gate, then moves what it holds for the token's "
    "key towards the token's value, and is read with its query"
)


def _where(tp: int) -> str:
    return "as in Qwen3 Next" + (f" split over {tp} GPUs" if tp > 1 else "")


def _axes(tp: int) -> tuple[Axis, ...]:
    return (
        Axis("num_q_heads", "Query heads.", 16 // tp),
        Axis("num_k_heads", "Key heads.", 16 // tp),
        Axis("num_v_heads", "Value heads; two share each query and key head.", 32 // tp),
        Axis("head_size", "Numbers in a head.", _HEAD_SIZE),
    )


def _tokens(*leading: str) -> dict[str, Tensor]:
    """Return the tensors that each token brings, and the gate's parameters."""
    tensors = (
        Tensor("q", (*leading, "num_q_heads", "head_size"), "bfloat16", "Queries."),
        Tensor("k", (*leading, "num_k_heads", "head_size"), "bfloat16", "Keys, of length near 1."),
        Tensor("v", (*leading, "num_v_heads", "head_size"), "bfloat16", "Values."),
        Tensor("A_log", ("num_v_heads",), "float32", "Logarithm of each head's decay rate."),
        Tensor("a", (*leading, "num_v_heads"), "bfloat16", "Input of the decay gate."),
        Tensor("dt_bias", ("num_v_heads",), "float32", "Added to a before its softplus."),
        Tensor("b", (*leading, "num_v_heads"), "bfloat16", "Input of the update gate, a sigmoid."),
        Tensor("scale", None, "float32", "Factor of the output, usually 1/sqrt(head_size)."),
        Tensor(
            "output", (*leading, "num_v_heads", "head_size"), "bfloat16", "What each token reads."
        ),
    )
    return {tensor.name: tensor for tensor in tensors}


def _name(stage: str, tp: int) -> str:
    return f"gdn_{stage}_qk{16 // tp}_v{32 // tp}_d{_HEAD_SIZE}_k_last"


def _tags(stage: str, tp: int, function: str = "") -> tuple[str, ...]:
    api = (f"fi_api:flashinfer.gdn.{function}",) if function else ()
    found = ("status:verified", "model:qwen3-next", "layout:k-last", *api, f"tp:{tp}")
    return (f"stage:{stage}", *found)


def _baseline(definition: Definition, dps: bool, text: str) -> tuple[Solution, ...]:
    name = f"torch_{definition.name}"
    return (Solution(name, "baseline", "python", dps, text, folder=definition.reference),)


def decode(tp: int) -> Problem:
    """Return the decoding step with the heads of one of `tp` GPUs."""
    each = _tokens("batch_size", "seq_len")
    definition = Definition(
        name=_name("decode", tp),
        op_type="gdn",
        description=(
            f"One decoding step of the gated delta rule, {_where(tp)}. {_RULE}. The keys are the "
            "last axis of a state."
        ),
        tags=_tags("decode", tp, "gated_delta_rule_decode"),
        axes=(
            Axis("batch_size", "Sequences in the batch."),
            Axis("seq_len", "New tokens of a sequence.", 1),
            *_axes(tp),
        ),
        inputs=(
            each["q"],
            each["k"],
            each["v"],
            Tensor("state", ("batch_size", *_STATE), "float32", "States before the token."),
            *(each[name] for name in ("A_log", "a", "dt_bias", "b", "scale")),
        ),
        outputs=(
            each["output"],
            Tensor("new_state", ("batch_size", *_STATE), "float32", "States after the token."),
        ),
        constraints=_HEADS_RULES,
        reference="gdn_decode",
    )
    workloads = tuple(Workload({"batch_size": size}, {"scale": _SCALE}) for size in _DECODE_BATCHES)
    text = "Batched matrix-vector products with the states of all heads, in float32."
    kernel = Solution(
        f"triton_{definition.name}",
        "fitui",
        "triton",
        True,
        "One program for 32 rows of one head's state, each read and written once.",
        folder=definition.reference,
    )
    return Problem(definition, workloads, (*_baseline(definition, True, text), kernel))


def verify(tp: int) -> Problem:
    """Return the verification of drafted tokens with the heads of one of `tp` GPUs."""
    each = _tokens("batch_size", "seq_len")
    definition = Definition(
        name=_name("mtp", tp),
        op_type="gdn",
        description=(
            f"Verifies drafted tokens with the gated delta rule, {_where(tp)}: several tokens a "
            f"sequence, one after another, from states in a pool. {_RULE}. The keys are the last "
            "axis of a state. Nothing is committed: the pool is returned as it was, and the buffer "
            "for the states in between is left alone."
        ),
        tags=_tags("mtp", tp),
        axes=(
            Axis("batch_size", "Sequences in the batch."),
            Axis("seq_len", "Tokens of each sequence, more than one."),
            *_axes(tp),
            Axis("pool_size", "States in the pool, of this batch or not."),
        ),
        inputs=(
            each["q"],
            each["k"],
            each["v"],
            Tensor("initial_state", ("pool_size", *_STATE), "float32", "The pool of states."),
            Tensor(
                "initial_state_indices",
                ("batch_size",),
                "int32",
                "Where in the pool each sequence's state is.",
            ),
            *(each[name] for name in ("A_log", "a", "dt_bias", "b", "scale")),
            Tensor(
                "intermediate_states_buffer",
                ("pool_size", "seq_len", *_STATE),
                "float32",
                "Room for the state after each token; neither read nor, being an input, written.",
            ),
        ),
        outputs=(
            each["output"],
            Tensor("final_state", ("pool_size", *_STATE), "float32", "A copy of initial_state."),
        ),
        constraints=(
            *_HEADS_RULES,
            "seq_len > 1",
            "batch_size <= pool_size",
            "((initial_state_indices >= 0) & (initial_state_indices < pool_size)).all().item()",
        ),
        reference="gdn_mtp",
    )
    file = "initial_state_indices.safetensors"
    tensors: dict[str, Array] = {}
    workloads: list[Workload] = []
    for batch_size, seq_len, pool_size in _VERIFY_BATCHES:
        key = f"batch_{batch_size}_tokens_{seq_len}_pool_{pool_size}"
        slots = Stream(batch_size, seq_len, pool_size, tp).permutation(pool_size)[:batch_size]
        tensors[key] = slots.astype(np.int32)
        axes = {"batch_size": batch_size, "seq_len": seq_len, "pool_size": pool_size}
        indices = Stored(file, key)
        workloads.append(Workload(axes, {"scale": _SCALE, "initial_state_indices": indices}))
    text = "Token by token, all sequences and heads at once, in float32."
    solutions = _baseline(definition, True, text)
    return Problem(definition, tuple(workloads), solutions, {file: tensors})


def boundaries(stream: Stream, total: int, sequences: int) -> NDArray[np.int64]:
    """Return where `sequences` prompts of `total` tokens begin and end; none is empty."""
    inner = 1 + stream.subset(total - 1, sequences - 1)
    return np.concatenate([[0], inner, [total]]).astype(np.int64)


def prefill(tp: int) -> Problem:
    """Return the prefill of ragged prompts with the heads of one of `tp` GPUs."""
    each = _tokens("total_seq_len")
    definition = Definition(
        name=_name("prefill", tp),
        op_type="gdn",
        description=(
            f"Prefill of ragged prompts with the gated delta rule, {_where(tp)}. Token by token: "
            f"{_RULE[0].lower()}{_RULE[1:]}. The keys are the last axis of a state."
        ),
        tags=_tags("prefill", tp, "chunk_gated_delta_rule"),
        axes=(
            Axis("total_seq_len", "Tokens of all prompts together."),
            Axis("num_seqs", "Prompts."),
            *_axes(tp),
            Axis("len_cu_seqlens", "Entries of cu_seqlens."),
        ),
        inputs=(
            each["q"],
            each["k"],
            each["v"],
            Tensor("state", ("num_seqs", *_STATE), "float32", "States before the prompts."),
            *(each[name] for name in ("A_log", "a", "dt_bias", "b")),
            Tensor(
                "cu_seqlens",
                ("len_cu_seqlens",),
                "int64",
                "Prompt n owns the tokens cu_seqlens[n] to cu_seqlens[n + 1] - 1.",
            ),
            each["scale"],
        ),
        outputs=(
            each["output"],
            Tensor("new_state", ("num_seqs", *_STATE), "float32", "States after the prompts."),
        ),
        constraints=(
            *_HEADS_RULES,
            "len_cu_seqlens == num_seqs + 1",
            "cu_seqlens[0].item() == 0",
            "total_seq_len == cu_seqlens[-1].item()",
            "(cu_seqlens[1:] >= cu_seqlens[:-1]).all().item()",
        ),
        reference="gdn_prefill",
    )
    file = "cu_seqlens.safetensors"
    tensors: dict[str, Array] = {}
    workloads: list[Workload] = []
    for total, sequences in _PREFILL_BATCHES:
        key = f"tokens_{total}_prompts_{sequences}"
        tensors[key] = boundaries(Stream(total, sequences, tp), total, sequences)
        axes = {"total_seq_len": total, "num_seqs": sequences, "len_cu_seqlens": sequences + 1}
        workloads.append(Workload(axes, {"scale": _SCALE, "cu_seqlens": Stored(file, key)}))
    text = "In chunks of 64 tokens: a triangular system for what a chunk writes, in float32."
    solutions = _baseline(definition, False, text)
    return Problem(definition, tuple(workloads), solutions, {file: tensors})


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, stored indices and baselines."""
    return tuple(stage(tp) for stage in (decode, verify, prefill) for tp in _TENSOR_PARALLEL)
