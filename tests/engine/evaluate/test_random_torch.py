"""Random values by torch's operations: bit for bit those of numpy's generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.evaluate import random, random_torch
from engine.evaluate.random import MOST, levels, stream
from engine.evaluate.random_torch import bits_of
from engine.schema import DType

DEVICES = [
    pytest.param(torch.device("cpu"), id="cpu"),
    pytest.param(torch.device("cuda"), id="cuda", marks=pytest.mark.gpu),
]
on_each_device = pytest.mark.parametrize("device", DEVICES)
INTEGERS = [torch.bool, torch.int8, torch.uint8, torch.int32, torch.int64]
FLOATS = [
    getattr(torch, dtype.value)
    for dtype in DType
    if "float" in dtype.value and dtype is not DType.FLOAT4_E2M1
]
CHUNK = 4096


@on_each_device
@pytest.mark.parametrize("seed", ["a", "b", "c", "17:w:2"])
@pytest.mark.parametrize(("start", "count"), [(0, 1), (0, 4097), (4, 3), (1 << 20, 1000)])
def test_words_are_those_of_numpy(device: torch.device, seed: str, start: int, count: int) -> None:
    words = stream(seed, "x")
    found = random_torch.take(words, start, count, device).cpu().numpy()
    assert (found.view(np.uint64) == words.take(start, count)).all()


@on_each_device
@pytest.mark.parametrize("start", [(1 << 34) - 8, 1 << 62])
def test_words_far_into_a_series_are_those_of_numpy(device: torch.device, start: int) -> None:
    words = stream("seed", "x")
    found = random_torch.take(words, start, 64, device).cpu().numpy()
    assert (found.view(np.uint64) == words.take(start, 64)).all()


def test_words_start_at_whole_blocks() -> None:
    with pytest.raises(ValueError, match="multiples of 4, not at 6"):
        random_torch.take(stream("seed", "x"), 6, 1, torch.device("cpu"))


@on_each_device
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("count", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 5])
def test_normal_values_are_those_of_numpy_rounded(
    device: torch.device, dtype: torch.dtype, count: int
) -> None:
    words = stream("seed", "x")
    table = torch.from_numpy(levels()).clamp(-2.0, 2.0).to(dtype)
    found = random_torch.pick(words, table.to(device), count, CHUNK).cpu()
    wanted = torch.from_numpy(random.normal(words, count)).clamp(-2.0, 2.0).to(dtype)
    assert found.dtype is dtype
    assert torch.equal(bits_of(found), bits_of(wanted))


@on_each_device
def test_every_sum_of_four_uniforms_has_its_place(device: torch.device) -> None:
    places = torch.arange(MOST + 1, device=device)
    words = stream("seed", "x")
    parts = torch.from_numpy(words.take(0, 10_000).view(np.uint16).astype(np.int64))
    found = random_torch.pick(words, places, 10_000).cpu()
    assert torch.equal(found, parts.reshape(-1, 4).sum(dim=1))


@on_each_device
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("count", [0, 1, CHUNK, 2 * CHUNK + 5])
def test_integers_are_those_of_numpy(device: torch.device, dtype: torch.dtype, count: int) -> None:
    words = stream("seed", "x")
    bound = 2 if dtype is torch.bool else 127
    found = random_torch.integers(words, count, bound, dtype, device, CHUNK).cpu()
    wanted = torch.from_numpy(random.integers(words, count, bound)).to(dtype)
    assert found.dtype is dtype
    assert torch.equal(found, wanted)


@on_each_device
@pytest.mark.parametrize("bound", [0, 1, 3, 989_669, (1 << 31) + 7, (1 << 32) - 1])
def test_integers_are_those_of_numpy_whatever_their_bound(device: torch.device, bound: int) -> None:
    words = stream("seed", "x")
    found = random_torch.integers(words, 3000, bound, torch.int64, device, CHUNK).cpu()
    assert torch.equal(found, torch.from_numpy(random.integers(words, 3000, bound)))
    assert found.min() >= 0 and found.max() < max(1, bound)


@on_each_device
@pytest.mark.parametrize(("rows", "width"), [(0, 5), (3, 0), (1, 1), (7, 1001), (2, 3 * CHUNK)])
def test_heavy_tailed_rows_are_those_of_numpy(device: torch.device, rows: int, width: int) -> None:
    words = stream("seed", "p")
    found = random_torch.heavy_tailed_rows(words, rows, width, device, CHUNK).cpu()
    wanted = torch.from_numpy(random.heavy_tailed_rows(words, rows, width))
    assert found.shape == (rows, width)
    assert torch.equal(bits_of(found), bits_of(wanted))


@pytest.mark.gpu
def test_temporary_memory_stays_below_a_gibibyte() -> None:
    device = torch.device("cuda")
    table = torch.from_numpy(levels()).to(torch.int8).to(device)
    count = 3 * random_torch.CHUNK + 5
    for made in (
        lambda: random_torch.pick(stream("s", "n"), table, count),
        lambda: random_torch.integers(stream("s", "n"), count, 5, torch.int8, device),
    ):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        made()
        assert torch.cuda.max_memory_allocated() - before < count + (1 << 30)
