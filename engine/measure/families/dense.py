"""Operators that read all they are given: normalisation, matrix product, rotary embedding."""

from __future__ import annotations

from collections import Counter

from engine.measure.facts import Work
from engine.measure.families.call import Call, Unfit, work


def rmsnorm(call: Call) -> Work:
    """Normalisation of rows, with or without a residual to add first."""
    rows, width = call.shape("hidden_states", 2)
    if call.shape("weight", 1) != (width,):
        raise Unfit("not one weight for each column")
    given = ["hidden_states", "weight"]
    if call.has("residual"):
        call.shape("residual", 2)
        given.append("residual")
    return work(sum(map(call.nbytes, given)) if rows else 0, call.written(), Counter())


def gemm(call: Call) -> Work:
    """C = A B^T, in the common way: every element of C takes as many products as A has columns."""
    m, k = call.shape("A", 2)
    n, depth = call.shape("B", 2)
    if depth != k:
        raise Unfit("A and B have not the same number of columns")
    read = call.nbytes("A") + call.nbytes("B") if m and n else 0
    return work(read, call.written(), Counter({call.rate("A", "B"): 2 * m * n * k}))


def rope(call: Call) -> Work:
    """Rotation of the first numbers of each head; the others may stay where they are."""
    tokens, _, size = call.shape("q", 3)
    rotated = min(size, call.shape("cos_sin_cache", 2)[1])
    positions = call.table("positions", 1)
    if call.shape("k", 3)[::2] != (tokens, size) or len(positions) != tokens:
        raise Unfit("queries, keys and positions are not of the same tokens")
    heads = (call.nbytes("q") + call.nbytes("k")) * rotated // size if size else 0
    read = heads + call.nbytes("positions")
    read += len(positions.unique()) * call.row("cos_sin_cache")
    return work(read, heads, Counter())
