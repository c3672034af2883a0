"""The kernel of causal prefills over latents: a tile of queries against what they may see.

The rows of a tile are all the heads, query after query, so that no row is padding but at a
sequence's end. A latent is key and value in one, so it is loaded once. Scores are kept in base 2
(scaled by log2 e), so that exp2 serves and the log-sum-exp needs no conversion. A row that sees
nothing has output 0, log-sum-exp -inf.
"""

import triton
import triton.language as tl


@triton.jit
def attend(
    q_nope_ptr,
    q_pe_ptr,
    ckv_ptr,
    kpe_ptr,
    qo_indptr_ptr,
    kv_indptr_ptr,
    indices_ptr,
    last_page_ptr,
    out_ptr,
    lse_ptr,
    scale,
    sequences,
    HEADS: tl.constexpr,
    LATENT: tl.constexpr,
    ROTATED: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SEQUENCES: tl.constexpr,
    ROWS: tl.constexpr,
    TOKENS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    tile = tl.program_id(0)

    # Tiles are numbered sequence after sequence; the host does not know how many each has.
    item = tl.arange(0, SEQUENCES)
    starts = tl.load(qo_indptr_ptr + item, mask=item < sequences, other=0)
    stops = tl.load(qo_indptr_ptr + item + 1, mask=item < sequences, other=0)
    tiles = tl.cdiv((stops - starts) * HEADS, ROWS)
    sequence = tl.sum((tl.cumsum(tiles, axis=0) <= tile).to(tl.int32), axis=0)
    if sequence >= sequences:
        return
    tile -= tl.sum(tl.where(item < sequence, tiles, 0), axis=0)

    first = tl.load(qo_indptr_ptr + sequence)
    queries = tl.load(qo_indptr_ptr + sequence + 1) - first
    begin = tl.load(kv_indptr_ptr + sequence)
    length = tl.load(kv_indptr_ptr + sequence + 1) - begin
    if PAGE_SIZE > 1:
        last_page = tl.load(last_page_ptr + sequence)
        length = tl.where(length > 0, (length - 1) * PAGE_SIZE + last_page, 0)

    row = tile * ROWS + tl.arange(0, ROWS)
    query = row // HEADS
    stored = query < queries
    seen = length - queries + query + 1  # keys that a row may see; may be negative
    last_query = tl.minimum(queries - 1, (tile * ROWS + ROWS - 1) // HEADS)
    limit = length - queries + last_query + 1  # keys that the last row may see
    c = tl.arange(0, LATENT)
    r = tl.arange(0, ROTATED)
    head = (first + query).to(tl.int64) * HEADS + row % HEADS
    nope = q_nope_ptr + head[:, None] * LATENT + c[None, :]
    q_nope = tl.load(nope, mask=stored[:, None], other=0.0)
    pe = q_pe_ptr + head[:, None] * ROTATED + r[None, :]
    q_pe = tl.load(pe, mask=stored[:, None], other=0.0)
    if UPCAST:
        q_nope = q_nope.to(tl.float32)
        q_pe = q_pe.to(tl.float32)
    peak = tl.full((ROWS,), float("-inf"), dtype=tl.float32)
    mass = tl.zeros((ROWS,), dtype=tl.float32)
    mixed = tl.zeros((ROWS, LATENT), dtype=tl.float32)

    for start in range(0, limit, TOKENS):
        token = start + tl.arange(0, TOKENS)
        present = token < limit
        page = tl.load(indices_ptr + begin + token // PAGE_SIZE, mask=present, other=0)
        held = (page.to(tl.int64) * PAGE_SIZE + token % PAGE_SIZE)[:, None]
        latent = tl.load(ckv_ptr + held * LATENT + c[None, :], mask=present[:, None], other=0.0)
        rotated = tl.load(kpe_ptr + held * ROTATED + r[None, :], mask=present[:, None], other=0.0)
        if UPCAST:
            latent = latent.to(tl.float32)
            rotated = rotated.to(tl.float32)
        score = tl.dot(q_pe, tl.trans(rotated))
        score = tl.dot(q_nope, tl.trans(latent), score) * scale
        visible = (token[None, :] < seen[:, None]) & present[None, :]
        score = tl.where(visible, score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, axis=1))
        base = tl.where(new_peak == float("-inf"), 0.0, new_peak)  # of a row that sees nothing
        weight = tl.exp2(score - base[:, None])
        fade = tl.exp2(peak - base)
        mass = mass * fade + tl.sum(weight, axis=1)
        mixed = tl.dot(weight.to(latent.dtype), latent, mixed * fade[:, None])
        peak = new_peak

    divisor = tl.where(mass == 0.0, 1.0, mass)
    lse = tl.where(mass == 0.0, float("-inf"), peak + tl.log2(divisor))
    tl.store(lse_ptr + head, lse, mask=stored)
    out = out_ptr + head[:, None] * LATENT + c[None, :]
    tl.store(out, (mixed / divisor[:, None]).to(out_ptr.dtype.element_ty), mask=stored[:, None])
