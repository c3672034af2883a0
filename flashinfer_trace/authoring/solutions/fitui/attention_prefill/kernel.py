"""The kernel of causal prefills: a tile of queries against the keys that they may see.

The rows of a tile are the query heads of one KV head's group, query after query, so that no row is
padding but at a sequence's end. Scores are kept in base 2 (scaled by log2 e), so that exp2 serves
and the log-sum-exp needs no conversion. A row that sees no key has output 0, log-sum-exp -inf.
"""

import triton
import triton.language as tl


@triton.jit
def attend(
    q_ptr,
    k_ptr,
    v_ptr,
    qo_indptr_ptr,
    kv_indptr_ptr,
    indices_ptr,
    last_page_ptr,
    out_ptr,
    lse_ptr,
    scale,
    sequences,
    heads,
    kv_heads,
    GROUP: tl.constexpr,
    KEY_DIM: tl.constexpr,
    KEY_PADDED: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SEQUENCES: tl.constexpr,
    ROWS: tl.constexpr,
    TOKENS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    # PAGE_SIZE 0: the keys of a sequence lie one after another, from kv_indptr on.
    tile = tl.program_id(0)
    kv_head = tl.program_id(1)

    # Tiles are numbered sequence after sequence; the host does not know how many each has.
    item = tl.arange(0, SEQUENCES)
    starts = tl.load(qo_indptr_ptr + item, mask=item < sequences, other=0)
    stops = tl.load(qo_indptr_ptr + item + 1, mask=item < sequences, other=0)
    tiles = tl.cdiv((stops - starts) * GROUP, ROWS)
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
    query = row // GROUP
    stored = query < queries
    seen = length - queries + query + 1  # keys that a row may see; may be negative
    last_query = tl.minimum(queries - 1, (tile * ROWS + ROWS - 1) // GROUP)
    limit = length - queries + last_query + 1  # keys that the last row may see
    d = tl.arange(0, KEY_PADDED)
    e = tl.arange(0, VALUE_DIM)
    real = (d < KEY_DIM)[None, :]
    head = (first + query).to(tl.int64) * heads + kv_head * GROUP + row % GROUP
    place = head[:, None] * KEY_DIM + d[None, :]
    q = tl.load(q_ptr + place, mask=stored[:, None] & real, other=0.0)
    if UPCAST:
        q = q.to(tl.float32)
    peak = tl.full((ROWS,), float("-inf"), dtype=tl.float32)
    mass = tl.zeros((ROWS,), dtype=tl.float32)
    mixed = tl.zeros((ROWS, VALUE_DIM), dtype=tl.float32)

    for start in range(0, limit, TOKENS):
        token = start + tl.arange(0, TOKENS)
        present = token < limit
        if PAGE_SIZE == 0:
            held = (begin + token).to(tl.int64)
        else:
            page = tl.load(indices_ptr + begin + token // PAGE_SIZE, mask=present, other=0)
            held = page.to(tl.int64) * PAGE_SIZE + token % PAGE_SIZE
        line = (held * kv_heads + kv_head)[:, None]
        k = tl.load(k_ptr + line * KEY_DIM + d[None, :], mask=present[:, None] & real, other=0.0)
        v = tl.load(v_ptr + line * VALUE_DIM + e[None, :], mask=present[:, None], other=0.0)
        if UPCAST:
            k = k.to(tl.float32)
            v = v.to(tl.float32)
        score = tl.dot(q, tl.trans(k)) * scale
        visible = (token[None, :] < seen[:, None]) & present[None, :]
        score = tl.where(visible, score, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(score, axis=1))
        base = tl.where(new_peak == float("-inf"), 0.0, new_peak)  # of a row that sees nothing
        weight = tl.exp2(score - base[:, None])
        fade = tl.exp2(peak - base)
        mass = mass * fade + tl.sum(weight, axis=1)
        mixed = tl.dot(weight.to(v.dtype), v, mixed * fade[:, None])
        peak = new_peak

    divisor = tl.where(mass == 0.0, 1.0, mass)
    lse = tl.where(mass == 0.0, float("-inf"), peak + tl.log2(divisor))
    tl.store(lse_ptr + head, lse, mask=stored)
    out = out_ptr + head[:, None] * VALUE_DIM + e[None, :]
    tl.store(out, (mixed / divisor[:, None]).to(out_ptr.dtype.element_ty), mask=stored[:, None])
