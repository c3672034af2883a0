"""The state update of Mamba 2 layers: the decoding step of Nemotron-H 8B."""

from __future__ import annotations

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

# (batch_size, state_cache_size, rows that only pad the batch)
_BATCHES = (
    (1, 8, 0), (2, 16, 0), (4, 16, 0), (8, 32, 2), (16, 64, 0), (32, 64, 5), (64, 128, 0),
    (128, 192, 9), (192, 256, 0),
)  # fmt: skip
_FILE = "state_batch_indices.safetensors"


def slots(stream: Stream, batch_size: int, cache_size: int, padding: int) -> NDArray[np.int32]:
    """Return the slot of each row, all different; the last `padding` rows have none (-1)."""
    chosen = stream.permutation(cache_size)[:batch_size]
    chosen[batch_size - padding :] = -1
    return chosen.astype(np.int32)


def decode(tp: int) -> Problem:
    """Return the decoding step with the heads of one of `tp` GPUs."""
    heads, groups = 128 // tp, 8 // tp
    split = f" split over {tp} GPUs" if tp > 1 else ""
    row, parameter = ("batch_size", "nheads", "head_dim"), ("nheads", "head_dim")
    cache = ("state_cache_size", *parameter, "dstate")
    shared = ("batch_size", "ngroups", "dstate")
    definition = Definition(
        name=f"mamba_ssu_decode_h{heads}_d64_s128_ng{groups}",
        op_type="mamba_ssu",
        description=(
            f"One decoding step of a Mamba 2 layer, as in Nemotron-H 8B{split}: {heads} heads of "
            "64 channels, 128 numbers of state a channel, kept in a cache of slots. A row whose "
            "slot is -1 only pads the batch: its output is 0 and no state changes."
        ),
        tags=(
            "stage:decode",
            "status:verified",
            "model:nemotron-h-8b",
            "fi_api:flashinfer.mamba.selective_state_update",
            f"tp:{tp}",
        ),
        axes=(
            Axis("batch_size", "Rows of the batch, a sequence each."),
            Axis("state_cache_size", "Slots of the cache, in use or not."),
            Axis("nheads", "Heads.", heads),
            Axis("head_dim", "Channels of a head.", 64),
            Axis("dstate", "Numbers of state of a channel.", 128),
            Axis("ngroups", "Groups of heads that share B and C.", groups),
        ),
        inputs=(
            Tensor("state", cache, "bfloat16", "The cache of states; not to be written."),
            Tensor("x", row, "bfloat16", "Features of each row's token."),
            Tensor("dt", row, "bfloat16", "Step sizes, before bias and softplus."),
            Tensor("A", (*parameter, "dstate"), "float32", "Rate of decay; negative."),
            Tensor("B", shared, "bfloat16", "How the features enter the state."),
            Tensor("C", shared, "bfloat16", "How the state is read."),
            Tensor("D", parameter, "bfloat16", "Factor of the features that pass by the state."),
            Tensor("dt_bias", parameter, "bfloat16", "Added to dt before its softplus."),
            Tensor(
                "state_batch_indices",
                ("batch_size",),
                "int32",
                "Slot of each row, no two the same, or -1 for padding.",
            ),
        ),
        outputs=(
            Tensor("output", row, "bfloat16", "What each row reads; 0 for padding."),
            Tensor("new_state", cache, "bfloat16", "The cache after the step."),
        ),
        constraints=(
            "nheads % ngroups == 0",
            "state_cache_size >= batch_size",
            "((state_batch_indices >= -1) & (state_batch_indices < state_cache_size)).all().item()",
        ),
        reference="mamba_ssu_decode",
    )
    tensors: dict[str, Array] = {}
    workloads: list[Workload] = []
    for batch_size, cache_size, padding in _BATCHES:
        key = f"batch_{batch_size}_slots_{cache_size}"
        stream = Stream(batch_size, cache_size, heads)
        tensors[key] = slots(stream, batch_size, cache_size, padding)
        axes = {"batch_size": batch_size, "state_cache_size": cache_size}
        workloads.append(Workload(axes, {"state_batch_indices": Stored(_FILE, key)}))
    baseline = Solution(
        f"torch_{definition.name}",
        "baseline",
        "python",
        False,
        "Gathers the slots of the batch, updates them with broadcast products, scatters them.",
        folder=definition.reference,
    )
    kernel = Solution(
        f"triton_{definition.name}",
        "fitui",
        "triton",
        True,
        "Copies the cache, then one program for each head of each row updates its slot in place.",
        folder=definition.reference,
    )
    return Problem(definition, tuple(workloads), (baseline, kernel), {_FILE: tensors})


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, slots and baselines."""
    return decode(1), decode(2)
