"""The kernels of decoding: attention of a split of a sequence's tokens, and the splits' merge.

Scores are kept in base 2 (scaled by log2 e), so that exp2 serves and the log-sum-exp needs no
conversion. A split or sequence without tokens has weight 0: output 0, log-sum-exp -inf.
"""

import triton
import triton.language as tl


@triton.jit
def finish(peak, mass):
    """Return log2 of the sum, and a divisor that is not 0, from the online softmax's state."""
    empty = mass == 0.0
    divisor = tl.where(empty, 1.0, mass)
    return tl.where(empty, float("-inf"), peak + tl.log2(divisor)), divisor


@triton.jit
def attend(
    q_ptr,
    k_ptr,
    v_ptr,
    indptr_ptr,
    indices_ptr,
    last_page_ptr,
    out_ptr,
    lse_ptr,
    scale,
    heads,
    page_stride,
    token_stride,
    GROUP: tl.constexpr,
    PADDED: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    TOKENS: tl.constexpr,
    SPLITS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    # Query heads of the group are the rows of one matrix, padded to what tl.dot takes.
    sequence = tl.program_id(0).to(tl.int64)
    kv_head = tl.program_id(1)
    split = tl.program_id(2)
    begin = tl.load(indptr_ptr + sequence)
    length = tl.load(indptr_ptr + sequence + 1) - begin
    if PAGE_SIZE > 1:
        last_page = tl.load(last_page_ptr + sequence)
        length = tl.where(length > 0, (length - 1) * PAGE_SIZE + last_page, 0)
    share = tl.cdiv(tl.cdiv(length, SPLITS), TOKENS) * TOKENS
    first = split * share
    last = tl.minimum(length, first + share)

    member = tl.arange(0, PADDED)
    d = tl.arange(0, HEAD_DIM)
    head = sequence * heads + kv_head * GROUP + member
    q = tl.load(
        q_ptr + head[:, None] * HEAD_DIM + d[None, :], mask=(member < GROUP)[:, None], other=0.0
    )
    if UPCAST:
        q = q.to(tl.float32)
    peak = tl.full((PADDED,), float("-inf"), dtype=tl.float32)
    mass = tl.zeros((PADDED,), dtype=tl.float32)
    mixed = tl.zeros((PADDED, HEAD_DIM), dtype=tl.float32)

    for start in range(first, last, TOKENS):
        token = start + tl.arange(0, TOKENS)
        present = token < last
        page = tl.load(indices_ptr + begin + token // PAGE_SIZE, mask=present, other=0)
        row = page.to(tl.int64) * page_stride + token % PAGE_SIZE * token_stride
        place = row[:, None] + kv_head * HEAD_DIM + d[None, :]
        k = tl.load(k_ptr + place, mask=present[:, None], other=0.0)
        v = tl.load(v_ptr + place, mask=present[:, None], other=0.0)
        if UPCAST:
            k = k.to(tl.float32)
            v = v.to(tl.float32)
        score = tl.dot(q, tl.trans(k)) * scale
        score = tl.where(present[None, :], score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, axis=1))
        weight = tl.exp2(score - new_peak[:, None])
        fade = tl.exp2(peak - new_peak)
        mass = mass * fade + tl.sum(weight, axis=1)
        mixed = tl.dot(weight.to(v.dtype), v, mixed * fade[:, None])
        peak = new_peak

    lse, divisor = finish(peak, mass)
    result = mixed / divisor[:, None]
    part = head * SPLITS + split
    stored = member < GROUP
    tl.store(lse_ptr + part, lse, mask=stored)
    out = out_ptr + part[:, None] * HEAD_DIM + d[None, :]
    tl.store(out, result.to(out_ptr.dtype.element_ty), mask=stored[:, None])


@triton.jit
def merge(part_ptr, part_lse_ptr, out_ptr, lse_ptr, HEAD_DIM: tl.constexpr, SPLITS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    split = tl.arange(0, SPLITS)
    d = tl.arange(0, HEAD_DIM)
    part_lse = tl.load(part_lse_ptr + row * SPLITS + split)
    part = tl.load(part_ptr + (row * SPLITS + split)[:, None] * HEAD_DIM + d[None, :])
    peak = tl.max(part_lse, axis=0)
    weight = tl.where(part_lse == float("-inf"), 0.0, tl.exp2(part_lse - peak))
    lse, divisor = finish(peak, tl.sum(weight, axis=0))
    result = tl.sum(part * weight[:, None], axis=0) / divisor
    tl.store(lse_ptr + row, lse)
    tl.store(out_ptr + row * HEAD_DIM + d, result.to(out_ptr.dtype.element_ty))
