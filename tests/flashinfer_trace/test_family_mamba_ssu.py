"""Mamba 2's state update: against single numbers in float64, the sample and the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from tests.flashinfer_trace.bundled import load
from tests.flashinfer_trace.families import names
from tests.flashinfer_trace.shrunk import (
    baseline,
    make,
    outputs_of,
    plan,
    reference,
    sample,
    sampled,
    shrunk,
)

NAMES = names("mamba_ssu")
SLOTS = [4, -1, 0, 6]


def small(name: str, seed: str = "1") -> dict[str, Any]:
    given = {"state_batch_indices": torch.tensor(SLOTS, dtype=torch.int32)}
    return make(shrunk(name), {"batch_size": len(SLOTS), "state_cache_size": 7}, given, seed)


def double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


@pytest.mark.parametrize("name", NAMES)
def test_each_channel_is_what_its_own_recurrence_gives(name: str) -> None:
    values = small(name)
    before = {key: value.clone() for key, value in values.items()}
    output, states = reference(name)(*values.values())
    assert all(torch.equal(values[key], before[key]) for key in values)
    assert output.dtype == states.dtype == torch.bfloat16
    x, dt, A, B, C, D, bias = (
        double(values[key]) for key in ("x", "dt", "A", "B", "C", "D", "dt_bias")
    )
    expected, cache = np.zeros_like(x), double(values["state"])
    for row, head, channel in np.ndindex(x.shape):
        if SLOTS[row] < 0:
            continue
        group = head * B.shape[1] // x.shape[1]
        step = np.log1p(np.exp(dt[row, head, channel] + bias[head, channel]))
        state = cache[SLOTS[row], head, channel] * np.exp(step * A[head, channel])
        state += step * x[row, head, channel] * B[row, group]
        cache[SLOTS[row], head, channel] = state
        passed = D[head, channel] * x[row, head, channel]
        expected[row, head, channel] = state @ C[row, group] + passed
    np.testing.assert_allclose(double(output), expected, rtol=2**-8, atol=1e-5)
    np.testing.assert_allclose(double(states), cache, rtol=2**-8, atol=1e-5)
    assert (values["A"] < 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_passes_and_another_sets_output_does_not(name: str, tmp_path: Path) -> None:
    definition, values = shrunk(name), small(name)
    record = baseline(name)
    found = outputs_of(definition, record, load(record, tmp_path), values)
    expected = list(reference(name)(*values.values()))
    chosen = plan(definition)
    assert chosen.evaluator == "recurrence"
    judge = BY_NAME[chosen.evaluator].compare
    assert all(check.ok for check in judge(definition, values, expected, [found], chosen.rule))
    other = list(reference(name)(*small(name, "2").values()))
    assert not any(check.ok for check in judge(definition, values, expected, [other], chosen.rule))


@pytest.mark.parametrize("name", sampled("mamba_ssu"))
def test_the_update_means_what_the_real_one_means(name: str) -> None:
    values = small(name)
    for found, expected in zip(
        reference(name)(*values.values()), sample(name, {})(**values), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=2**-7, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_padding_changes_nothing(name: str) -> None:
    values = small(name) | {"state_batch_indices": torch.full((4,), -1, dtype=torch.int32)}
    output, states = reference(name)(*values.values())
    assert output.eq(0).all() and torch.equal(states, values["state"])
