"""Small inputs of the samplers, and what may be drawn from them, written anew in float64."""

from __future__ import annotations

import math

import torch

from tests.flashinfer_trace.bundled import Record

KINDS = ("top_k_sampling", "top_p_sampling", "top_k_top_p_sampling")
_K = [1, 2, 5, 36, 37, 99, 0, -3, 9, 37, 12, 20]
_P = [0.9, 1.0, 0.6, 0.0, 0.3, 0.95, 1.5, -0.5, 1e-6, 0.99, 0.8, 0.5]
SIZE = 37


def kind_of(name: str) -> str:
    """Return which limits a definition has, as its name begins."""
    return name.partition("_from_probs")[0]


def small_inputs(kind: str) -> Record:
    """Return twelve rows over 37 tokens with different limits, those that filter nothing too."""
    seed = torch.Generator().manual_seed(11)
    found = {"probs": (2 * torch.randn(len(_K), SIZE, generator=seed)).softmax(dim=1)}
    if "top_k" in kind:
        found["top_k"] = torch.tensor(_K, dtype=torch.int32)
    if "top_p" in kind:
        found["top_p"] = torch.tensor(_P, dtype=torch.float32)
    return found


def tied_inputs(kind: str, size: int = 10) -> Record:
    """Return rows of equally probable tokens, of which the limits leave three."""
    found = {"probs": torch.full((4, size), 1.0 / size)}
    if "top_k" in kind:
        found["top_k"] = torch.full((4,), 3, dtype=torch.int32)
    if "top_p" in kind:
        share = 0.9 if "top_k" in kind else 2.5 / size
        found["top_p"] = torch.full((4,), share, dtype=torch.float32)
    return found


def exact(inputs: Record) -> torch.Tensor:
    """Return the distribution that is drawn from, float64, token by token."""
    probs = inputs["probs"].double()
    chances = torch.zeros_like(probs)
    for row, weights in enumerate(probs.tolist()):
        order = sorted(range(len(weights)), key=lambda token: -weights[token])
        if "top_k" in inputs and 0 < inputs["top_k"][row].item() < len(weights):
            order = order[: int(inputs["top_k"][row].item())]
        if "top_p" in inputs and (limit := inputs["top_p"][row].item()) < 1:
            total = math.fsum(weights[token] for token in order) if "top_k" in inputs else 1.0
            kept, mass = [], 0.0
            for token in order:
                if kept and mass > max(limit, 0.0) * total:
                    break
                kept.append(token)
                mass += weights[token]
            order = kept
        chances[row, order] = probs[row, order]
    return chances / chances.sum(dim=1, keepdim=True)


def repeated(inputs: Record, times: int) -> Record:
    """Return the inputs with each row as often as it is to be drawn from."""
    return {name: value.repeat_interleave(times, dim=0) for name, value in inputs.items()}


def seen(samples: torch.Tensor, times: int, size: int = SIZE) -> torch.Tensor:
    """Return how often each token was drawn for each row."""
    one_hot = torch.nn.functional.one_hot(samples.view(-1, times), size)
    return one_hot.double().sum(dim=1)
