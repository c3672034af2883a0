"""The kernels of latent decoding: attention of a split of a sequence, and the splits' merge.

A latent is key and value in one, so it is loaded once. Scores are kept in base 2 (scaled by
log2 e), so that exp2 serves and the log-sum-exp needs no conversion. A split or sequence without
tokens has weight 0: output 0, log-sum-exp -inf.
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
    q_nope_ptr,
    q_pe_ptr,
    ckv_ptr,
    kpe_ptr,
    indptr_ptr,
    indices_ptr,
    last_page_ptr,
    out_ptr,
    lse_ptr,
    scale,
    HEADS: tl.constexpr,
    PADDED: tl.constexpr,
    LATENT: tl.constexpr,
    ROTATED: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    TOKENS: tl.constexpr,
    SPLITS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    sequence = tl.program_id(0).to(tl.int64)
    split = tl.program_id(1)
    begin = tl.load(indptr_ptr + sequence)
    length = tl.load(indptr_ptr + sequence + 1) - begin
    if PAGE_SIZE > 1:
        last_page = tl.load(last_page_ptr + sequence)
        length = tl.where(length > 0, (length - 1) * PAGE_SIZE + last_page, 0)
    share = tl.cdiv(tl.cdiv(length, SPLITS), TOKENS) * TOKENS
    first = split * share
    last = tl.minimum(length, first + share)

    # The heads are the rows of one matrix, padded to what tl.dot takes.
    member = tl.arange(0, PADDED)
    stored = member < HEADS
    c = tl.arange(0, LATENT)
    r = tl.arange(0, ROTATED)
    head = sequence * HEADS + member
    nope = q_nope_ptr + head[:, None] * LATENT + c[None, :]
    q_nope = tl.load(nope, mask=stored[:, None], other=0.0)
    q_pe = tl.load(q_pe_ptr + head[:, None] * ROTATED + r[None, :], mask=stored[:, None], other=0.0)
    if UPCAST:
        q_nope = q_nope.to(tl.float32)
        q_pe = q_pe.to(tl.float32)
    peak = tl.full((PADDED,), float("-inf"), dtype=tl.float32)
    mass = tl.zeros((PADDED,), dtype=tl.float32)
    mixed = tl.zeros((PADDED, LATENT), dtype=tl.float32)

    for start in range(first, last, TOKENS):
        token = start + tl.arange(0, TOKENS)
        present = token < last
        page = tl.load(indices_ptr + begin + token // PAGE_SIZE, mask=present, other=0)
        row = page.to(tl.int64) * PAGE_SIZE + token % PAGE_SIZE
        latent = ckv_ptr + row[:, None] * LATENT + c[None, :]
        latent = tl.load(latent, mask=present[:, None], other=0.0)
        rotated = kpe_ptr + row[:, None] * ROTATED + r[None, :]
        rotated = tl.load(rotated, mask=present[:, None], other=0.0)
        if UPCAST:
            latent = latent.to(tl.float32)
            rotated = rotated.to(tl.float32)
        score = tl.dot(q_pe, tl.trans(rotated))
        score = tl.dot(q_nope, tl.trans(latent), score) * scale
        score = tl.where(present[None, :], score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, axis=1))
        weight = tl.exp2(score - new_peak[:, None])
        fade = tl.exp2(peak - new_peak)
        mass = mass * fade + tl.sum(weight, axis=1)
        mixed = tl.dot(weight.to(latent.dtype), latent, mixed * fade[:, None])
        peak = new_peak

    lse, divisor = finish(peak, mass)
    part = head * SPLITS + split
    tl.store(lse_ptr + part, lse, mask=stored)
    out = out_ptr + part[:, None] * LATENT + c[None, :]
    tl.store(out, (mixed / divisor[:, None]).to(out_ptr.dtype.element_ty), mask=stored[:, None])


@triton.jit
def merge(part_ptr, part_lse_ptr, out_ptr, lse_ptr, LATENT: tl.constexpr, SPLITS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    split = tl.arange(0, SPLITS)
    c = tl.arange(0, LATENT)
    part_lse = tl.load(part_lse_ptr + row * SPLITS + split)
    part = tl.load(part_ptr + (row * SPLITS + split)[:, None] * LATENT + c[None, :])
    peak = tl.max(part_lse, axis=0)
    weight = tl.where(part_lse == float("-inf"), 0.0, tl.exp2(part_lse - peak))
    lse, divisor = finish(peak, tl.sum(weight, axis=0))
    result = tl.sum(part * weight[:, None], axis=0) / divisor
    tl.store(lse_ptr + row, lse)
    tl.store(out_ptr + row * LATENT + c, result.to(out_ptr.dtype.element_ty))
