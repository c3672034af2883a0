"""Each reference agrees with the same mathematics written again in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.flashinfer_trace.bundled import (
    DECODE,
    FUSED,
    GEMM,
    NAMES,
    RMSNORM,
    ROPE,
    TOP_K,
    as_tuple,
    kept_weights,
    reference,
    small_inputs,
)


def double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


def assert_rounded(actual: torch.Tensor, exact: np.ndarray, rtol: float) -> None:
    np.testing.assert_allclose(double(actual), exact, rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_leaves_its_inputs_alone_and_returns_what_is_declared(name: str) -> None:
    run = reference(name)
    for inputs in small_inputs(name):
        before = {key: torch.as_tensor(value).clone() for key, value in inputs.items()}
        outputs = as_tuple(run(*inputs.values()))
        for key, value in inputs.items():
            assert torch.equal(torch.as_tensor(value), before[key]), key
            assert all(value is not output for output in outputs)
        if name != TOP_K:
            again = as_tuple(run(*inputs.values()))
            assert all(map(torch.equal, outputs, again))


@pytest.mark.parametrize("name", [RMSNORM, FUSED])
def test_rows_are_divided_by_their_root_mean_square(name: str) -> None:
    run = reference(name)
    for inputs in small_inputs(name):
        total = double(inputs["hidden_states"])
        if name == FUSED:
            total = total + double(inputs["residual"])
        exact = total / np.sqrt((total**2).mean(axis=1, keepdims=True) + 1e-5)
        actual = run(*inputs.values())
        assert actual.dtype == torch.bfloat16
        assert_rounded(actual, exact * double(inputs["weight"]), rtol=2**-8)


def test_gemm_multiplies_by_the_transpose_and_rounds_once() -> None:
    for inputs in small_inputs(GEMM):
        exact = double(inputs["A"]) @ double(inputs["B"]).T
        actual = reference(GEMM)(**inputs)
        assert actual.dtype == torch.float16
        np.testing.assert_allclose(double(actual), exact, rtol=2**-10, atol=2**-12)


def test_decode_attends_to_the_pages_of_each_sequence() -> None:
    for inputs in small_inputs(DECODE):
        output, lse = reference(DECODE)(*inputs.values())
        assert (output.dtype, lse.dtype) == (torch.bfloat16, torch.float32)
        bounds = inputs["kv_indptr"].tolist()
        for row, head in np.ndindex(output.shape[0], 32):
            pages = inputs["kv_indices"][bounds[row] : bounds[row + 1]].long()
            if len(pages) == 0:
                assert output[row, head].eq(0).all() and lse[row, head] == -math.inf
                continue
            keys = double(inputs["k_cache"][pages, 0, head // 4])
            values = double(inputs["v_cache"][pages, 0, head // 4])
            weights = np.exp(keys @ double(inputs["q"][row, head]) * inputs["sm_scale"])
            assert_rounded(output[row, head], weights @ values / weights.sum(), rtol=2**-8)
            assert lse[row, head].item() == pytest.approx(math.log2(weights.sum()), abs=1e-4)


def test_rope_turns_pairs_of_the_first_half_and_passes_the_rest() -> None:
    for inputs in small_inputs(ROPE):
        turned = reference(ROPE)(*inputs.values())
        table = double(inputs["cos_sin_cache"][inputs["positions"]])[:, None]
        phase = table[..., :32] + 1j * table[..., 32:]
        for heads, actual in zip((inputs["q"], inputs["k"]), turned, strict=True):
            exact = double(heads)
            point = (exact[..., :32] + 1j * exact[..., 32:64]) * phase
            expected = np.concatenate([point.real, point.imag, exact[..., 64:]], axis=-1)
            assert actual.dtype == torch.bfloat16
            np.testing.assert_allclose(double(actual), expected, rtol=2**-8, atol=2**-8)
            assert torch.equal(actual[..., 64:], heads[..., 64:])


def test_top_k_draws_kept_tokens_in_proportion_and_ignores_an_invalid_k() -> None:
    torch.manual_seed(1)
    run = reference(TOP_K)
    for inputs in small_inputs(TOP_K):
        expected = kept_weights(inputs["probs"], inputs["top_k"])
        assert (expected > 0).sum(dim=1).tolist() == [1, 2, 5, 36, 37, 37, 37, 37]
        draws = 20_000
        repeated = {key: value.repeat_interleave(draws, dim=0) for key, value in inputs.items()}
        samples = run(**repeated)
        assert samples.dtype == torch.int64
        one_hot = torch.nn.functional.one_hot(samples.view(-1, draws), expected.shape[1])
        seen = one_hot.double().mean(dim=1)
        assert (seen[expected == 0] == 0).all()
        assert (seen - expected).abs().sum(dim=1).max() / 2 < 0.03


def test_top_k_keeps_exactly_k_tokens_when_probabilities_tie() -> None:
    probs, top_k = torch.full((500, 10), 0.1), torch.full((500,), 3, dtype=torch.int32)
    assert set(reference(TOP_K)(probs, top_k).tolist()) == {0, 1, 2}
