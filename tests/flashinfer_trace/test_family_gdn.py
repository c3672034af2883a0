"""The gated delta rule: against a scan in float64, the sample and the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from engine.schema.definition import AxisConst
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

NAMES = names("gdn")
BOUNDS = [0, 3, 3, 70]
"""Prompts of some tokens, of none, and of more than one chunk of the baseline."""


def small(name: str, seed: str = "1") -> dict[str, Any]:
    axes, given = {"batch_size": 3}, {"scale": 0.25}
    if "mtp" in name:
        axes |= {"seq_len": 4, "pool_size": 5}
        given |= {"initial_state_indices": torch.tensor([4, 0, 2], dtype=torch.int32)}
    if "prefill" in name:
        axes = {"total_seq_len": BOUNDS[-1], "num_seqs": len(BOUNDS) - 1}
        axes |= {"len_cu_seqlens": len(BOUNDS)}
        given |= {"cu_seqlens": torch.tensor(BOUNDS)}
    return make(shrunk(name), axes, given, seed)


def double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


def scan(
    values: dict[str, Any], rows: tuple[Any, ...], state: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One sequence, each head and token alone; `rows` picks its tokens from q, k, v, a and b."""
    q, k, v, a, b = (double(values[name][rows]) for name in ("q", "k", "v", "a", "b"))
    rate, bias = np.exp(double(values["A_log"])), double(values["dt_bias"])
    output, state = np.zeros_like(v), state.copy()
    for token, head in np.ndindex(v.shape[:2]):
        shared = head * q.shape[1] // v.shape[1]
        query, key = q[token, shared], k[token, shared]
        gate = np.exp(-rate[head] * np.log1p(np.exp(a[token, head] + bias[head])))
        beta = 1 / (1 + np.exp(-b[token, head]))
        # S (I - beta k k^T) + beta v k^T: the rule as a product with a matrix.
        forget = np.eye(len(key)) - beta * np.outer(key, key)
        state[head] = gate * state[head] @ forget + beta * np.outer(v[token, head], key)
        output[token, head] = values["scale"] * state[head] @ query
    return output, state


@pytest.mark.parametrize("name", NAMES)
def test_the_delta_rule_is_what_a_scan_gives(name: str) -> None:
    values = small(name)
    before = {key: torch.as_tensor(value).clone() for key, value in values.items()}
    output, states = reference(name)(*values.values())
    assert all(torch.equal(torch.as_tensor(values[key]), before[key]) for key in values)
    assert (output.dtype, states.dtype) == (torch.bfloat16, torch.float32)
    for row in range(3):
        if "prefill" in name:
            rows: Any = slice(*BOUNDS[row : row + 2])
            exact, left = scan(values, rows, double(values["state"][row]))
            found = output[rows]
        elif "mtp" in name:
            slot = values["initial_state_indices"][row]
            exact, _ = scan(values, (row,), double(values["initial_state"][slot]))
            left, found = double(values["initial_state"][row]), output[row]
        else:
            exact, left = scan(values, (row,), double(values["state"][row]))
            found = output[row]
        np.testing.assert_allclose(double(found), exact, rtol=2**-8, atol=1e-5)
        np.testing.assert_allclose(double(states[row]), left, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_passes_and_another_sets_output_does_not(name: str, tmp_path: Path) -> None:
    definition, values = shrunk(name), small(name)
    record = baseline(name)
    before = {key: torch.as_tensor(value).clone() for key, value in values.items()}
    found = outputs_of(definition, record, load(record, tmp_path), values)
    assert all(torch.equal(torch.as_tensor(values[key]), before[key]) for key in values)
    expected = list(reference(name)(*values.values()))
    chosen = plan(definition)
    assert (chosen.evaluator, chosen.rule.matched_ratio) == ("recurrence", 1.0)
    judge = BY_NAME[chosen.evaluator].compare
    assert all(check.ok for check in judge(definition, values, expected, [found], chosen.rule))
    other = list(reference(name)(*small(name, "2").values()))
    assert not any(check.ok for check in judge(definition, values, expected, [other], chosen.rule))


@pytest.mark.parametrize("name", sampled("gdn"))
def test_the_delta_rule_means_what_the_real_one_means(name: str) -> None:
    values = small(name)
    copies = {
        key: value.clone() if isinstance(value, torch.Tensor) else value
        for key, value in values.items()
    }
    expected = sample(name, {})(**copies)  # writes into its copy of the buffer
    output, states = reference(name)(*values.values())
    torch.testing.assert_close(output, expected[0], rtol=2**-7, atol=1e-4)
    if "prefill" in name:  # there a prompt without tokens ends in 0
        torch.testing.assert_close(states[[0, 2]], expected[1][[0, 2]], rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(states, expected[1], rtol=1e-4, atol=1e-5)


def test_states_of_long_random_prompts_stay_bounded() -> None:
    definition = shrunk("gdn_prefill_qk4_v8_d128_k_last")
    definition.axes["head_size"] = AxisConst(value=128)
    axes = {"total_seq_len": 300, "num_seqs": 1, "len_cu_seqlens": 2}
    given = {"cu_seqlens": torch.tensor([0, 300]), "scale": 128**-0.5}
    values = make(definition, axes, given)
    output, states = reference(definition.name)(*values.values())
    assert states.abs().max() < 10
    assert output[-100:].float().std() > 0.02  # twice the absolute tolerance
