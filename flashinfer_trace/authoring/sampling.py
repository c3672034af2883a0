"""Sampling of the next token from probabilities: top-k, top-p, and one after the other."""

from __future__ import annotations

from typing import NamedTuple

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


class _Vocabulary(NamedTuple):
    """How many tokens there are to choose from, and whose they are."""

    size: int
    status: str
    models: tuple[str, ...]
    title: str


_VOCABULARIES = (
    _Vocabulary(
        128256,
        "verified",
        ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "llama-3.2-3b", "llama-3.3-70b"),
        "Llama 3",
    ),
    _Vocabulary(129280, "verified", ("deepseek-v3", "deepseek-r1"), "DeepSeek V3 and R1"),
    _Vocabulary(
        151936,
        "verified",
        ("qwen3-8b", "qwen3-14b", "qwen3-30b-a3b", "qwen3-32b", "qwen3-235b-a22b"),
        "Qwen3",
    ),
    _Vocabulary(152064, "unverified", ("qwen2.5-7b", "qwen2.5-72b"), "Qwen2.5"),
    _Vocabulary(200064, "unverified", ("minimax-m2",), "MiniMax M2"),
    _Vocabulary(202048, "unverified", ("llama-4-scout",), "Llama 4 Scout"),
    _Vocabulary(262208, "reference", ("gemma-3-27b",), "Gemma 3"),
)

# What users of a server ask for; ALL is the vocabulary's size, which filters nothing.
_ALL = 0
_KS = (1, 20, 40, 50, 64, 1000, _ALL)
_PS = (0.5, 0.8, 0.9, 0.95, 0.99, 1.0)

# (batch_size, k of every row, p of every row); None where each row has its own.
_K_BATCHES = (
    (1, 1), (1, 50), (1, _ALL), (2, 20), (4, 40), (8, 64), (16, None), (16, _ALL), (32, 50),
    (64, None), (64, 1000), (128, None), (256, None),
)  # fmt: skip
_P_BATCHES = (
    (1, 0.1), (1, 0.9), (1, 1.0), (2, 0.5), (4, 0.8), (8, 0.95), (16, None), (16, 1.0), (32, 0.9),
    (64, None), (64, 0.99), (128, None), (256, None),
)  # fmt: skip
_BOTH_BATCHES = (
    (1, 1, 1.0), (1, 50, 0.9), (1, _ALL, 0.95), (2, 20, 0.8), (4, 40, 1.0), (8, 64, 0.95),
    (16, None, None), (16, _ALL, 1.0), (32, 50, 0.9), (64, None, None), (64, 1000, 0.99),
    (128, None, None), (256, None, None),
)  # fmt: skip

_K = Tensor("top_k", ("batch_size",), "int32", "How many tokens each row may choose from.")
_P = Tensor("top_p", ("batch_size",), "float32", "Probability that each row's choice must reach.")
_ANY_K = "A k below 1 or not below the vocabulary's size filters nothing."
_ANY_P = "A p of 1 or more filters nothing, one of 0 or less leaves the most probable token."

_TORCH = (
    "masks what is below, and samples by a race of exponential variables, as torch.multinomial "
    "does."
)
_TRITON = "then inversion of the cumulative sum. Keeps every token tied with the last one kept."


class _Filter(NamedTuple):
    """One way of choosing what may be drawn."""

    name: str
    limits: tuple[Tensor, ...]
    draws: str
    rules: str
    baseline: str
    kernel: str


_TOP_K = _Filter(
    "top_k_sampling",
    (_K,),
    "among the row's k most probable ones",
    _ANY_K,
    f"Finds the k-th probability by sorting, {_TORCH}",
    f"One program a row: a search over float bits for what parts the k largest, {_TRITON}",
)
_TOP_P = _Filter(
    "top_p_sampling",
    (_P,),
    "among the row's fewest most probable ones whose probabilities sum to more than p",
    _ANY_P,
    f"Sorts, sums, {_TORCH}",
    f"One program a row: a search over float bits for where the sum passes p, {_TRITON}",
)
_TOP_K_TOP_P = _Filter(
    "top_k_top_p_sampling",
    (_K, _P),
    "among the fewest of the row's k most probable ones that hold more than p of their probability",
    f"{_ANY_K} {_ANY_P}",
    f"Sorts, cuts by rank, sums, {_TORCH}",
    "One program a row: a search over float bits for what parts the k largest, another for where "
    f"their sum passes p, {_TRITON}",
)


def _definition(kind: _Filter, vocabulary: _Vocabulary) -> Definition:
    return Definition(
        name=f"{kind.name}_from_probs_v{vocabulary.size}",
        op_type="sampling",
        description=(
            f"Draws one token a row {kind.draws}, in proportion to their probability, over the "
            f"{vocabulary.size} tokens of {vocabulary.title}. {kind.rules}"
        ),
        tags=(
            f"status:{vocabulary.status}",
            *(f"model:{model}" for model in vocabulary.models),
            f"fi_api:flashinfer.sampling.{kind.name}_from_probs",
        ),
        axes=(
            Axis("batch_size", "Rows, each a sequence that needs its next token."),
            Axis("vocab_size", "Tokens to choose from.", vocabulary.size),
        ),
        inputs=(
            Tensor(
                "probs",
                ("batch_size", "vocab_size"),
                "float32",
                "Probability of each token; not negative, each row sums to 1.",
            ),
            *kind.limits,
        ),
        outputs=(Tensor("samples", ("batch_size",), "int64", "The token drawn for each row."),),
        reference=kind.name,
    )


def _solutions(kind: _Filter, definition: str) -> tuple[Solution, ...]:
    found = (
        Solution(f"torch_{definition}", "baseline", "python", False, kind.baseline, kind.name),
        Solution(
            f"triton_{definition}",
            "fitui",
            "triton",
            True,
            kind.kernel,
            kind.name,
            shared="sampling",
        ),
    )
    if kind is not _TOP_K:
        return found
    cuda = Solution(
        f"cuda_{definition}",
        "fitui",
        "cuda",
        True,
        "A block a row, no sorting: draws until the token is one of the k, each time from fewer "
        "tokens. Keeps every token tied with the k-th.",
        "cuda_top_k_sampling",
        shared="tvm_ffi",
        binding="tvm-ffi",
    )
    return (*found, cuda)


def _ks(k: int | None, size: int, batch_size: int) -> Array:
    settings = np.array([setting or size for setting in _KS], dtype=np.int32)
    if k is None:
        return settings[Stream(size, batch_size).integers(0, len(_KS), batch_size)]
    return np.full(batch_size, k or size, dtype=np.int32)


def _ps(p: float | None, size: int, batch_size: int) -> Array:
    if p is None:
        choice = Stream(size, batch_size, 1).integers(0, len(_PS), batch_size)
        return np.array(_PS, dtype=np.float32)[choice]
    return np.full(batch_size, p, dtype=np.float32)


def _label(name: str, value: float | None) -> str:
    return f"{name}_{'mixed' if value is None else value}"


def _top_k(vocabulary: _Vocabulary) -> Problem:
    size, file = vocabulary.size, "top_k.safetensors"
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    for batch_size, k in _K_BATCHES:
        label = f"batch_{batch_size}_{_label('k', size if k == _ALL else k)}"
        tensors[label] = _ks(k, size, batch_size)
        axes = {"batch_size": batch_size}
        workloads.append(Workload(axes, {"top_k": Stored(file, label)}, label))
    definition = _definition(_TOP_K, vocabulary)
    solutions = _solutions(_TOP_K, definition.name)
    return Problem(definition, tuple(workloads), solutions, {file: tensors})


def _top_p(vocabulary: _Vocabulary) -> Problem:
    file = "top_p.safetensors"
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    for batch_size, p in _P_BATCHES:
        label = f"batch_{batch_size}_{_label('p', p)}"
        tensors[label] = _ps(p, vocabulary.size, batch_size)
        axes = {"batch_size": batch_size}
        workloads.append(Workload(axes, {"top_p": Stored(file, label)}, label))
    definition = _definition(_TOP_P, vocabulary)
    solutions = _solutions(_TOP_P, definition.name)
    return Problem(definition, tuple(workloads), solutions, {file: tensors})


def _top_k_top_p(vocabulary: _Vocabulary) -> Problem:
    size, file = vocabulary.size, "limits.safetensors"
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    for batch_size, k, p in _BOTH_BATCHES:
        label = f"batch_{batch_size}_{_label('k', size if k == _ALL else k)}_{_label('p', p)}"
        tensors[f"top_k_{label}"] = _ks(k, size, batch_size)
        tensors[f"top_p_{label}"] = _ps(p, size, batch_size)
        inputs = {limit.name: Stored(file, f"{limit.name}_{label}") for limit in (_K, _P)}
        workloads.append(Workload({"batch_size": batch_size}, inputs, label))
    definition = _definition(_TOP_K_TOP_P, vocabulary)
    solutions = _solutions(_TOP_K_TOP_P, definition.name)
    return Problem(definition, tuple(workloads), solutions, {file: tensors})


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, limits and solutions."""
    return tuple(
        make(vocabulary) for make in (_top_k, _top_p, _top_k_top_p) for vocabulary in _VOCABULARIES
    )
