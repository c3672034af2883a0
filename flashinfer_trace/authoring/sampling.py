"""Top-k sampling from probabilities, with the vocabulary of Llama 3.1."""

from __future__ import annotations

import numpy as np

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

_VOCAB_SIZE = 128256
_FILE = "top_k.safetensors"
_SETTINGS = (1, 20, 40, 50, 64, 1000, _VOCAB_SIZE)  # what users of a server ask for

# (batch_size, k of every row, or None where each row has its own).
_BATCHES = (
    (1, 1), (1, 50), (1, _VOCAB_SIZE), (2, 20), (4, 40), (8, 64), (16, None), (16, _VOCAB_SIZE),
    (32, 50), (64, None), (64, 1000), (128, None), (256, None),
)  # fmt: skip

TOP_K = Definition(
    name="top_k_sampling_from_probs_v128256",
    op_type="sampling",
    description=(
        "Draws one token a row among the row's k most probable ones, in proportion to their "
        "probability, over the 128256 tokens of Llama 3. A k below 1 or not below the "
        "vocabulary's size filters nothing."
    ),
    tags=(
        "status:verified",
        "model:llama-3.1-8b",
        "model:llama-3.1-70b",
        "model:llama-3.1-405b",
        "model:llama-3.2-3b",
        "model:llama-3.3-70b",
        "fi_api:flashinfer.sampling.top_k_sampling_from_probs",
    ),
    axes=(
        Axis("batch_size", "Rows, each a sequence that needs its next token."),
        Axis("vocab_size", "Tokens to choose from.", _VOCAB_SIZE),
    ),
    inputs=(
        Tensor(
            "probs",
            ("batch_size", "vocab_size"),
            "float32",
            "Probability of each token; not negative, each row sums to 1.",
        ),
        Tensor("top_k", ("batch_size",), "int32", "How many tokens each row may choose from."),
    ),
    outputs=(Tensor("samples", ("batch_size",), "int64", "The token drawn for each row."),),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definition with its workloads, values of k and solutions."""
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    for batch_size, k in _BATCHES:
        label = f"batch_{batch_size}_k_{k or 'mixed'}"
        if k is None:
            choice = Stream(_VOCAB_SIZE, batch_size).integers(0, len(_SETTINGS), batch_size)
            tensors[label] = np.array(_SETTINGS, dtype=np.int32)[choice]
        else:
            tensors[label] = np.full(batch_size, k, dtype=np.int32)
        inputs = {"top_k": Stored(_FILE, label)}
        workloads.append(Workload({"batch_size": batch_size}, inputs, label))
    solutions = (
        Solution(
            f"torch_{TOP_K.name}",
            "baseline",
            "python",
            False,
            "Finds the k-th probability with topk, masks what is below, and samples by a race of "
            "exponential variables, as torch.multinomial does.",
        ),
        Solution(
            f"triton_{TOP_K.name}",
            "fitui",
            "triton",
            True,
            "One program a row: a search over float bits for what parts the k largest, then "
            "inversion of the cumulative sum. Keeps every token tied with the k-th.",
        ),
    )
    return (Problem(TOP_K, tuple(workloads), solutions, {_FILE: tensors}),)
