"""Every bundled sampler: what it draws and how often, and what the real dataset's ones do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.flashinfer_trace.bundled import call, definitions, load, reference, solutions
from tests.flashinfer_trace.families import distinct, distribution, names, sample_run
from tests.flashinfer_trace.sampling_cases import (
    KINDS,
    SIZE,
    exact,
    kind_of,
    repeated,
    seen,
    small_inputs,
    tied_inputs,
)

NAMES = names("sampling")
DRAWS = 10_000


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_draws_what_the_limits_leave_in_proportion(name: str) -> None:
    inputs = small_inputs(kind_of(name))
    before = {key: value.clone() for key, value in inputs.items()}
    chances = distribution(reference(name), inputs)
    assert all(torch.equal(value, before[key]) for key, value in inputs.items())
    torch.testing.assert_close(chances, exact(inputs), rtol=1e-5, atol=1e-7)
    assert reference(name)(**inputs).dtype == torch.int64


@pytest.mark.parametrize("kind", KINDS)
def test_of_equally_probable_tokens_the_first_are_kept(kind: str) -> None:
    run = reference(f"{kind}_from_probs_v128256")
    chances = distribution(run, tied_inputs(kind))
    expected = torch.tensor([1 / 3] * 3 + [0.0] * 7, dtype=torch.float64).repeat(4, 1)
    torch.testing.assert_close(chances, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_that_p_touches_keeps_one_token_more(kind: str) -> None:
    inputs = {"probs": torch.tensor([[0.125, 0.5, 0.25, 0.125]])}
    if "top_k" in kind:
        inputs["top_k"] = torch.tensor([2], dtype=torch.int32)
    if "top_p" in kind:
        inputs["top_p"] = torch.tensor([0.5])
    chances = distribution(reference(f"{kind}_from_probs_v128256"), inputs)
    kept = 1 if kind == "top_k_top_p_sampling" else 2  # 0.5 of 0.75 is more than half
    assert (chances > 0).sum() == kept


@pytest.mark.parametrize("name", NAMES)
def test_a_sampler_means_what_the_real_one_means(name: str) -> None:
    run = sample_run(f"{kind_of(name)}_from_probs_v128256", {"128256": str(SIZE)})
    inputs = small_inputs(kind_of(name))
    torch.testing.assert_close(
        distribution(reference(name), inputs), distribution(run, inputs), rtol=1e-5, atol=1e-7
    )


def test_samplers_share_one_reference_and_one_solution_of_each_author_for_each_limit() -> None:
    for kind in KINDS:
        chosen = [name for name in NAMES if kind_of(name) == kind]
        assert len(chosen) == 7
        assert len({definitions()[name]["reference"] for name in chosen}) == 1
        for prefix in ("torch", "triton"):
            assert len(distinct([solutions()[f"{prefix}_{name}"] for name in chosen])) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_baseline_draws_what_the_limits_leave_in_proportion(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    record = solutions()[f"torch_{kind}_from_probs_v128256"]
    run = load(record, tmp_path)
    inputs = small_inputs(kind)
    before = {key: value.clone() for key, value in inputs.items()}
    (samples,) = call(record, run, repeated(inputs, DRAWS))
    assert all(torch.equal(value, before[key]) for key, value in inputs.items())
    assert samples.dtype == torch.int64
    found, expected = seen(samples, DRAWS) / DRAWS, exact(inputs)
    assert (found[expected == 0] == 0).all()
    assert (found - expected).abs().sum(dim=1).max() / 2 < 0.04


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_takes_its_whole_vocabulary(name: str) -> None:
    size = definitions()[name]["axes"]["vocab_size"]["value"]
    torch.manual_seed(4)
    inputs = {"probs": torch.rand(1, size).pow(8), "top_k": torch.tensor([50]).int()}
    inputs["probs"] /= inputs["probs"].sum()
    inputs["top_p"] = torch.tensor([1e-3])
    kept = {key: inputs[key] for key in definitions()[name]["inputs"]}
    (token,) = reference(name)(**kept).tolist()
    rank = int((inputs["probs"] > inputs["probs"][0, token]).sum())
    assert rank < (50 if "top_k" in name else size / 100)
