"""Baselines agree with the reference; each teaching example fails in the way it announces."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

from tests.flashinfer_trace.bundled import (
    NAMES,
    RMSNORM,
    TOP_K,
    Record,
    as_tuple,
    assert_same,
    call,
    kept_weights,
    load,
    reference,
    small_inputs,
    solutions,
)

FAILURES = {
    "wrong_shape": "INCORRECT_SHAPE",
    "wrong_dtype": "INCORRECT_DTYPE",
    "wrong_values": "INCORRECT_NUMERICAL",
    "runtime_error": "RUNTIME_ERROR",
    "compile_error": "COMPILE_ERROR",
    "timeout": "TIMEOUT",
}


def example(kind: str) -> Record:
    return solutions()[f"example_{kind}"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != TOP_K])
def test_a_baseline_matches_the_reference(name: str, tmp_path: Path) -> None:
    record = solutions()[f"torch_{name}"]
    run = load(record, tmp_path)
    for inputs in small_inputs(name):
        expected = as_tuple(reference(name)(*inputs.values()))
        assert_same(call(record, run, inputs), expected)


def test_the_sampling_baseline_draws_from_the_same_distribution(tmp_path: Path) -> None:
    torch.manual_seed(2)
    record = solutions()[f"torch_{TOP_K}"]
    run = load(record, tmp_path)
    for inputs in small_inputs(TOP_K):
        expected = kept_weights(inputs["probs"], inputs["top_k"])
        repeated = {key: value.repeat_interleave(20_000, dim=0) for key, value in inputs.items()}
        (samples,) = call(record, run, repeated)
        one_hot = torch.nn.functional.one_hot(samples.view(-1, 20_000), expected.shape[1])
        seen = one_hot.double().mean(dim=1)
        assert (seen[expected == 0] == 0).all()
        assert (seen - expected).abs().sum(dim=1).max() / 2 < 0.03


@pytest.mark.parametrize("kind", FAILURES)
def test_an_example_names_its_status(kind: str) -> None:
    record = example(kind)
    assert record["description"].startswith(f"Ends in {FAILURES[kind]}: ")
    assert record["author"] == "examples" and record["definition"] == RMSNORM


@pytest.mark.parametrize("rows", [1, 4096])
@pytest.mark.parametrize("kind", ["wrong_shape", "wrong_dtype", "wrong_values"])
def test_an_example_is_wrong_in_one_respect(kind: str, rows: int, tmp_path: Path) -> None:
    run = load(example(kind), tmp_path)
    torch.manual_seed(3)
    inputs = (torch.randn(rows, 4096).bfloat16(), torch.randn(4096).bfloat16())
    expected = reference(RMSNORM)(*inputs)
    actual = run(*inputs)
    if kind == "wrong_shape":
        assert actual.shape != expected.shape and actual.dtype == expected.dtype
    elif kind == "wrong_dtype":
        assert actual.shape == expected.shape and actual.dtype == torch.float32
    else:
        assert actual.shape == expected.shape and actual.dtype == expected.dtype
        far = (actual - expected).abs() > 1e-2 + 1e-2 * expected.abs()
        assert far.float().mean() > 0.9


@pytest.mark.parametrize("rows", [1, 5, 4096])
def test_the_runtime_error_comes_from_torch_for_every_batch_size(rows: int, tmp_path: Path) -> None:
    run = load(example("runtime_error"), tmp_path)
    with pytest.raises(RuntimeError, match="is invalid for input of size"):
        run(torch.zeros(rows, 4096).bfloat16(), torch.zeros(4096).bfloat16())


def test_the_compile_error_is_an_import_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="reciprocal_rms"):
        load(example("compile_error"), tmp_path)


@pytest.mark.parametrize("rows", [1, 64])
def test_the_timeout_example_is_still_running_when_stopped(rows: int, tmp_path: Path) -> None:
    run = load(example("timeout"), tmp_path)

    def stop(*_: object) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(TimeoutError):
            run(torch.randn(rows, 4096).bfloat16(), torch.ones(4096).bfloat16())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
