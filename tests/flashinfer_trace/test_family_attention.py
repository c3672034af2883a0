"""Attention: every definition, reference and solution means what it should, on small batches."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from flashinfer_trace import ROOT
from tests.flashinfer_trace.attention_cases import (
    CACHED,
    NAMES,
    SCALE,
    few_heads,
    fixed,
    small_batches,
)
from tests.flashinfer_trace.bundled import (
    Record,
    assert_same,
    call,
    definitions,
    load,
    reference,
    solutions,
)
from tests.flashinfer_trace.families import sample_run

# The sample definition that fixes the meaning, by what a name begins and ends with.
SAMPLES = {
    ("gqa_paged_decode", "ps1"): "gqa_paged_decode_h32_kv8_d128_ps1",
    ("gqa_paged_decode", "ps64"): "gqa_paged_decode_h32_kv8_d128_ps64",
    ("gqa_paged_prefill", "ps1"): "gqa_paged_prefill_causal_h32_kv8_d128_ps1",
    ("gqa_paged_prefill", "ps64"): "gqa_paged_prefill_causal_h32_kv8_d128_ps64",
    ("gqa_ragged", ""): "gqa_ragged_prefill_causal_h32_kv8_d128",
    ("mla_paged_decode", "ps1"): "mla_paged_decode_h16_ckv512_kpe64_ps1",
    ("mla_paged_decode", "ps64"): "mla_paged_decode_h16_ckv512_kpe64_ps64",
    ("mla_paged_prefill", "ps1"): "mla_paged_prefill_causal_h16_ckv512_kpe64_ps1",
    ("mla_paged_prefill", "ps64"): "mla_paged_prefill_causal_h16_ckv512_kpe64_ps64",
    ("mla_ragged", ""): "mla_ragged_prefill_causal_h16_qk192_vo128",
}
HEADS = {"gqa": (32, 8), "mla_paged": (16, 1), "mla_ragged": (16, 16)}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors are small: threads would wait for each other."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)


def keys_and_values(inputs: Record, cached: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return those of each sequence, [tokens, KV heads, dim], float64, token after token."""
    found = []
    for row, length in enumerate(cached):
        begin = int(inputs["kv_indptr"][row])
        if "k" in inputs:
            places = torch.arange(begin, begin + length)
            found.append((inputs["k"][places].double(), inputs["v"][places].double()))
            continue
        names = ("k_cache", "v_cache") if "k_cache" in inputs else ("ckv_cache", "kpe_cache")
        first, second = (inputs[name] for name in names)
        size = first.shape[1]
        pages = [int(inputs["kv_indices"][begin + token // size]) for token in range(length)]
        places = [token % size for token in range(length)]
        one, other = first[pages, places].double(), second[pages, places].double()
        if "k_cache" in inputs:
            found.append((one, other))
        else:
            found.append((torch.cat([one, other], dim=-1)[:, None], one[:, None]))
    return found


def expected(inputs: Record, cached: list[int], asking: list[int]) -> list[torch.Tensor]:
    """Attention by PyTorch's own operator in float64, sequence by sequence."""
    q = inputs["q"] if "q" in inputs else torch.cat([inputs["q_nope"], inputs["q_pe"]], dim=-1)
    outputs, sums = [], []
    pairs = keys_and_values(inputs, cached)
    for (keys, values), length, part in zip(pairs, cached, q.double().split(asking), strict=True):
        count, heads, _ = part.shape
        mask = torch.ones(count, length, dtype=torch.bool).tril(length - count)
        group = heads // keys.shape[1]
        k, v = (t.transpose(0, 1).repeat_interleave(group, dim=0) for t in (keys, values))
        rows = part.transpose(0, 1)
        scores = (rows @ k.mT * SCALE).masked_fill(~mask, -math.inf)
        blind = ~mask.any(dim=1)
        mixed = torch.zeros(heads, count, values.shape[2], dtype=torch.float64)
        if not blind.all():
            seeing = F.scaled_dot_product_attention(
                rows[None, :, ~blind], k[None], v[None], mask[None, None, ~blind], scale=SCALE
            )
            mixed[:, ~blind] = seeing[0]
        outputs.append(mixed.transpose(0, 1))
        sums.append(scores.exp().sum(dim=-1).log2().T)
    return [torch.cat(outputs), torch.cat(sums)]


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_agrees_with_attention_in_float64(name: str) -> None:
    run = reference(name)
    for inputs, (cached, asking) in zip(small_batches(name), CACHED, strict=True):
        assert list(inputs) == list(definitions()[name]["inputs"])
        before = {key: torch.as_tensor(value).clone() for key, value in inputs.items()}
        output, lse = run(*inputs.values())
        for key, value in inputs.items():
            assert torch.equal(torch.as_tensor(value), before[key]), key
        assert (output.dtype, lse.dtype) == (torch.bfloat16, torch.float32)
        exact, sums = expected(inputs, cached, [1] * len(cached) if "decode" in name else asking)
        torch.testing.assert_close(output.double(), exact, rtol=2**-8, atol=1e-4)
        torch.testing.assert_close(lse.double(), sums, rtol=1e-5, atol=1e-4)
        again = run(*inputs.values())
        assert torch.equal(output, again[0]) and torch.equal(lse, again[1])


@pytest.mark.parametrize("name", [name for name in NAMES if "prefill" in name])
def test_the_number_of_queries_attended_at_once_changes_nothing(name: str) -> None:
    whole, parts = reference(name), reference(name)
    parts.__wrapped__.__globals__["QUERIES"] = 7
    for inputs in small_batches(name):
        assert_same(parts(*inputs.values()), whole(*inputs.values()))


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_means_what_the_real_one_means(name: str) -> None:
    (sample,) = (
        found
        for (begin, end), found in SAMPLES.items()
        if name.startswith(begin) and name.endswith(end)
    )
    heads = few_heads(name)
    (known,) = (found for family, found in HEADS.items() if name.startswith(family))
    replaced = {f"num_qo_heads == {known[0]}": f"num_qo_heads == {heads[0]}"}
    if not name.startswith("mla_paged"):
        replaced[f"num_kv_heads == {known[1]}"] = f"num_kv_heads == {heads[1]}"
    if fixed(name).get("head_dim") == 256:
        replaced["head_dim == 128"] = "head_dim == 256"
    run = sample_run(sample, replaced)
    for inputs in small_batches(name):
        output, lse = reference(name)(*inputs.values())
        real_output, real_lse = run(*inputs.values())
        seeing = lse > -math.inf  # of a query that sees nothing, the real ones say 0 or NaN
        assert (lse.isneginf() == real_lse.isneginf()).all()
        torch.testing.assert_close(output[seeing], real_output[seeing], rtol=2**-7, atol=1e-3)
        torch.testing.assert_close(lse[seeing], real_lse[seeing], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_matches_the_reference(name: str, tmp_path: Path) -> None:
    record = solutions()[f"torch_{name}"]
    run = load(record, tmp_path)
    for inputs in small_batches(name):
        before = {key: torch.as_tensor(value).clone() for key, value in inputs.items()}
        assert_same(call(record, run, inputs), reference(name)(*inputs.values()))
        for key, value in inputs.items():
            assert torch.equal(torch.as_tensor(value), before[key]), key


def test_every_triton_solution_matches_when_interpreted() -> None:
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.flashinfer_trace.interpret_attention"]
    done = subprocess.run(
        command, cwd=ROOT.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == NAMES
