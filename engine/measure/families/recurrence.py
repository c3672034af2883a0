"""Recurrent states: the gated delta rule and selective state spaces.

A token's output is a product of its query with a state, and a state's update a product of two
vectors, which matrix units can do for many tokens at once. Decays, gates and what tokens of one
chunk do to each other are left out: how much of that there is depends on the formulation.

States may be updated where they lie and be returned as they are, so only those of sequences that
have tokens are read and written.
"""

from __future__ import annotations

import math
from collections import Counter

import torch

from engine.measure.facts import Work
from engine.measure.families.call import Call, Unfit, work
from engine.measure.families.tables import spans

_PRODUCT = 2
"""Operations of one product of a token with a state, over the state's size."""


def delta_decode(call: Call) -> Work:
    """One or several tokens [sequence, token, head, dim] of each sequence, states kept."""
    sequences, tokens = call.shape("q", 4)[:2]
    if call.shape("state", 4)[0] != sequences:
        raise Unfit("not one state for each sequence")
    rows = sequences * tokens
    read = _delta_tokens(call, rows, axes=2) + (call.nbytes("state") if tokens else 0)
    # The state is asked by key and by query, and updated.
    return work(read, call.written(), _delta_flops(call, "state", rows, products=3))


def delta_prefill(call: Call) -> Work:
    """Prompts whose tokens [token, head, dim] lie one after another, states kept."""
    states = call.shape("state", 4)[0]
    _, lengths = spans(call.table("cu_seqlens", 1), call.shape("q", 3)[0])
    if len(lengths) != states:
        raise Unfit("not one state for each sequence")
    rows, states = int(lengths.sum()), int((lengths > 0).sum()) * call.row("state")
    read = call.nbytes("cu_seqlens") + _delta_tokens(call, rows, axes=1) + states
    written = call.written(besides=["state"]) + states
    return work(read, written, _delta_flops(call, "state", rows, products=3))


def delta_verify(call: Call) -> Work:
    """Drafted tokens [sequence, token, head, dim] from states of a pool, which does not change."""
    tokens = call.shape("q", 4)[1]
    places = call.table("initial_state_indices", 1)
    if len(places) != call.shape("q", 4)[0] or _beyond(call, "initial_state", places):
        raise Unfit("the places fit neither tokens nor pool")
    present = places[places >= 0]
    rows = len(present) * tokens
    read = call.nbytes("initial_state_indices") + _delta_tokens(call, rows, axes=2)
    read += len(present.unique()) * call.row("initial_state")
    written = call.written(besides=["initial_state"])
    return work(read, written, _delta_flops(call, "initial_state", rows, products=2))


def selective_step(call: Call) -> Work:
    """One token [row, head, channel] for each row of a batch, its state in a slot of a cache."""
    slots = call.table("state_batch_indices", 1)
    batch, heads, _ = call.shape("x", 3)
    if len(slots) != batch or _beyond(call, "state", slots):
        raise Unfit("the slots fit neither batch nor cache")
    rows = int((slots >= 0).sum())
    states = len(slots[slots >= 0].unique()) * call.row("state")
    read = call.nbytes("state_batch_indices") + states
    read += rows * sum(call.row(name) for name in ("x", "dt", "B", "C"))
    if rows:
        # Of Mamba 2, A is one number a head, whatever its shape; a kernel need read no more.
        read += call.nbytes("D") + call.nbytes("dt_bias")
        read += heads * call.row("A", 3)
    elements = math.prod(call.shape("state", 4)[1:])
    # The state is updated, and asked by C.
    flops = Counter({call.rate("x", "B", "C"): 2 * _PRODUCT * rows * elements})
    return work(read, call.written(besides=["state"]) + states, flops)


def _delta_tokens(call: Call, rows: int, *, axes: int) -> int:
    """Bytes of what belongs to some tokens, and to all of them."""
    once = call.nbytes("A_log") + call.nbytes("dt_bias") if rows else 0
    return once + rows * sum(call.row(name, axes) for name in ("q", "k", "v", "a", "b"))


def _delta_flops(call: Call, state: str, rows: int, *, products: int) -> Counter[str]:
    elements = math.prod(call.shape(state, 4)[1:])
    return Counter({call.rate("q", "k", "v"): products * _PRODUCT * rows * elements})


def _beyond(call: Call, pool: str, places: torch.Tensor) -> bool:
    return bool((places >= call.shape(pool, 4)[0]).any())
