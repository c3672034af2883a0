"""Rotary position embedding from a table, with the shapes of MiniMax M2."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from flashinfer_trace.authoring.spec import (
    Array,
    Axis,
    Definition,
    Problem,
    Solution,
    Stored,
    Tensor,
    Workload,
)
from flashinfer_trace.authoring.streams import Stream

_THETA = 5_000_000  # base of the angles in MiniMax M2
_ROTARY_DIM = 64
_MAX_SEQ_LEN = 4096
_FILE = "angles_and_positions.safetensors"

ROPE = Definition(
    name="rope_with_cos_sin_cache_neox_style_d128_rd64",
    op_type="rope",
    description=(
        "Rotary embedding of queries and keys from a table of cosines and sines, with the NeoX "
        "pairing (number i with number i + 32) on the first 64 of 128 numbers of each head; the "
        "others pass through. The shapes are those of MiniMax M2."
    ),
    tags=(
        "status:unverified",
        "model:minimax-m2",
        "fi_api:flashinfer.rope.apply_rope_with_cos_sin_cache_inplace",
    ),
    axes=(
        Axis("num_tokens", "Tokens of all sequences together."),
        Axis("num_qo_heads", "Query heads."),
        Axis("num_kv_heads", "Key heads."),
        Axis("head_size", "Numbers in a head.", 128),
        Axis("rotary_dim", "Numbers of a head that rotate, from its start.", _ROTARY_DIM),
        Axis("max_seq_len", "Positions in the table."),
    ),
    inputs=(
        Tensor("q", ("num_tokens", "num_qo_heads", "head_size"), "bfloat16", "Queries."),
        Tensor("k", ("num_tokens", "num_kv_heads", "head_size"), "bfloat16", "Keys."),
        Tensor(
            "cos_sin_cache",
            ("max_seq_len", "rotary_dim"),
            "float32",
            "For each position 32 cosines, then the 32 sines of the same angles.",
        ),
        Tensor("positions", ("num_tokens",), "int64", "Position of each token in its sequence."),
    ),
    outputs=(
        Tensor(
            "q_out", ("num_tokens", "num_qo_heads", "head_size"), "bfloat16", "Queries, turned."
        ),
        Tensor("k_out", ("num_tokens", "num_kv_heads", "head_size"), "bfloat16", "Keys, turned."),
    ),
    constraints=("((positions >= 0) & (positions < max_seq_len)).all().item()",),
)


def cos_sin_table() -> NDArray[np.float32]:
    """Return the table of cosines and sines, [max_seq_len, rotary_dim].

    Angle i of position p is p * theta^(-2i / rotary_dim). The powers are taken in decimal and
    the cosines in float64, so that the float32 values are the same on every machine.
    """
    half = _ROTARY_DIM // 2
    with localcontext() as context:
        context.prec = 40
        frequencies = [float(Decimal(_THETA) ** (Decimal(-i) / half)) for i in range(half)]
    rows = [
        [turn(position * frequency) for turn in (math.cos, math.sin) for frequency in frequencies]
        for position in range(_MAX_SEQ_LEN)
    ]
    return np.array(rows, dtype=np.float32)


def _decode(stream: Stream, count: int) -> NDArray[np.int64]:
    """One new token for each of `count` sequences of any length."""
    return stream.integers(1, _MAX_SEQ_LEN, count)


def _prefill(stream: Stream, count: int) -> NDArray[np.int64]:
    """`count` tokens of whole prompts, one after another, each counted from 0."""
    pieces: list[NDArray[np.int64]] = []
    while count:
        length = min(count, int(stream.integers(256, _MAX_SEQ_LEN + 1, 1)[0]))
        pieces.append(np.arange(length, dtype=np.int64))
        count -= length
    return np.concatenate(pieces)


def _chunked(stream: Stream, count: int) -> NDArray[np.int64]:
    """A later chunk of one long prompt, and decoding tokens in its last eighth."""
    decoding = count // 8
    begin = int(stream.integers(256, _MAX_SEQ_LEN - count, 1)[0])
    chunk = np.arange(begin, begin + count - decoding, dtype=np.int64)
    return np.concatenate([chunk, _decode(stream, decoding)])


_STEPS = (
    (_decode, 1), (_decode, 7), (_decode, 32), (_decode, 64), (_decode, 128), (_decode, 256),
    (_prefill, 77), (_chunked, 512), (_chunked, 2048), (_prefill, 1019), (_prefill, 4096),
    (_prefill, 8192),
)  # fmt: skip


def problems() -> tuple[Problem, ...]:
    """Return the family's definition with its workloads, table, positions and solutions."""
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {"cos_sin_cache": cos_sin_table()}
    for step, count in _STEPS:
        label = f"{step.__name__.lstrip('_')}_{count}"
        tensors[f"positions_{label}"] = step(Stream(_ROTARY_DIM, count), count)
        axes = {
            "num_tokens": count,
            "num_qo_heads": 48,
            "num_kv_heads": 8,
            "max_seq_len": _MAX_SEQ_LEN,
        }
        inputs = {
            "cos_sin_cache": Stored(_FILE, "cos_sin_cache"),
            "positions": Stored(_FILE, f"positions_{label}"),
        }
        workloads.append(Workload(axes, inputs, label))
    solutions = (
        Solution(
            f"torch_{ROPE.name}",
            "baseline",
            "python",
            True,
            "Copies the heads and rotates their first half with broadcast products.",
        ),
        Solution(
            f"triton_{ROPE.name}",
            "fitui",
            "triton",
            False,
            "One launch for queries and keys; a program turns a block of heads.",
        ),
        Solution(
            f"cuda_{ROPE.name}",
            "fitui",
            "cuda",
            True,
            "One launch for queries and keys; a block takes a token, 16 bytes a load.",
            "cuda_rope",
            shared="tvm_ffi",
            binding="tvm-ffi",
        ),
    )
    return (Problem(ROPE, tuple(workloads), solutions, {_FILE: tensors}),)
