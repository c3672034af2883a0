"""Sparse attention and its indexer: by brute force, against the sample and the baseline."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from flashinfer_trace.authoring.dsa_paged import chosen_tokens
from flashinfer_trace.authoring.streams import Stream
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

(INDEXER,) = [name for name in names("dsa_paged") if "indexer" in name]
ATTENTION = [name for name in names("dsa_paged") if name != INDEXER]
LENGTHS = [0, 1, 23, 24, 25, 200]
TOPK = 24


def attention_inputs(name: str, seed: str = "1") -> dict[str, Any]:
    definition = shrunk(name)
    bits = torch.Generator().manual_seed(int(seed))
    pages = 300 // definition.const_axes["page_size"]
    cached = pages * definition.const_axes["page_size"]
    rows = []
    for count in (TOPK, 0, 1, 7):
        row = torch.randperm(cached, generator=bits)[:TOPK]
        row[torch.randperm(TOPK, generator=bits)[count:]] = -1
        rows.append(row)
    given = {"sparse_indices": torch.stack(rows).to(torch.int32), "sm_scale": 0.2}
    return make(definition, {"num_tokens": len(rows), "num_pages": pages}, given, seed)


def indexer_inputs(seed: str = "1") -> dict[str, Any]:
    bits = torch.Generator().manual_seed(7)
    given = {
        "seq_lens": torch.tensor(LENGTHS, dtype=torch.int32),
        "block_table": torch.randperm(len(LENGTHS) * 4, generator=bits).view(-1, 4).int(),
    }
    axes = {"batch_size": len(LENGTHS), "max_num_pages": 4, "num_pages": 4 * len(LENGTHS)}
    return make(shrunk(INDEXER), axes, given, seed)


def double(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_a_weighted_mean_of_the_chosen_tokens(name: str) -> None:
    values = attention_inputs(name)
    before = {key: torch.as_tensor(value).clone() for key, value in values.items()}
    output, lse = reference(name)(*values.values())
    assert all(torch.equal(torch.as_tensor(values[key]), before[key]) for key in values)
    assert (output.dtype, lse.dtype) == (torch.bfloat16, torch.float32)
    size = values["ckv_cache"].shape[1]
    for row, head in np.ndindex(*lse.shape):
        total, mean = 0.0, np.zeros(output.shape[2])
        for index in values["sparse_indices"][row].tolist():
            if index >= 0:
                latent = double(values["ckv_cache"][index // size, index % size])
                score = double(values["q_nope"][row, head]) @ latent
                key = double(values["kpe_cache"][index // size, index % size])
                score += double(values["q_pe"][row, head]) @ key
                total += math.exp(0.2 * score)
                mean += math.exp(0.2 * score) * latent
        if total == 0:
            assert output[row, head].eq(0).all() and lse[row, head] == -math.inf
            continue
        np.testing.assert_allclose(double(output[row, head]), mean / total, rtol=2**-8, atol=1e-5)
        assert lse[row, head].item() == pytest.approx(math.log2(total), abs=1e-4)


def test_the_indexer_chooses_the_best_tokens_of_each_sequence() -> None:
    values = indexer_inputs()
    before = {key: value.clone() for key, value in values.items()}
    chosen = reference(INDEXER, TOPK=TOPK)(*values.values())
    assert all(torch.equal(values[key].view(torch.int8), before[key].view(torch.int8))
               for key in values)  # fmt: skip
    assert chosen.dtype == torch.int32 and chosen.shape == (len(LENGTHS), TOPK)
    for row, length in enumerate(LENGTHS):
        scored = []
        for place in range(length):
            page = int(values["block_table"][row, place // 64])
            raw = values["k_index_cache_fp8"][page].numpy().tobytes()
            offset = place % 64
            key = torch.frombuffer(
                bytearray(raw[offset * 16 : offset * 16 + 16]), dtype=torch.uint8
            )
            (scale,) = np.frombuffer(raw[64 * 16 + 4 * offset :][:4], dtype=np.float32)
            vector = double(key.view(torch.float8_e4m3fn)) * float(scale)
            assert 0.1 < scale < 1.9
            heads = double(values["q_index_fp8"][row]) @ vector
            score = float(double(values["weights"][row]) @ np.maximum(heads, 0))
            scored.append((-score, page * 64 + offset))
        best = [token for _, token in sorted(scored)[:TOPK]]
        assert chosen[row].tolist() == best + [-1] * (TOPK - len(best))


@pytest.mark.parametrize("name", ATTENTION)
def test_the_attention_baseline_passes(name: str, tmp_path: Path) -> None:
    definition, values = shrunk(name), attention_inputs(name)
    record = baseline(name, ROWS=3)
    found = outputs_of(definition, record, load(record, tmp_path), values)
    expected = list(reference(name)(*values.values()))
    chosen = plan(definition)
    assert (chosen.evaluator, chosen.rule.matched_ratio) == ("sparse_attention", 1.0)
    judge = BY_NAME[chosen.evaluator].compare
    assert all(check.ok for check in judge(definition, values, expected, [found], chosen.rule))
    other = list(reference(name)(*attention_inputs(name, "2").values()))
    assert not any(check.ok for check in judge(definition, values, expected, [other], chosen.rule))


def test_the_indexers_baseline_passes(tmp_path: Path) -> None:
    definition, values = shrunk(INDEXER), indexer_inputs()
    record = baseline(INDEXER, TOPK=TOPK)
    found = outputs_of(definition, record, load(record, tmp_path), values)
    chosen = plan(definition)
    assert chosen.evaluator == "topk_indexer"
    (check,) = BY_NAME[chosen.evaluator].compare(definition, values, [], [found], chosen.rule)
    assert check.ok, check


@pytest.mark.parametrize("name", sampled("dsa_paged"))
def test_it_means_what_the_real_one_means(name: str) -> None:
    if name == INDEXER:
        values = indexer_inputs()
        (expected,) = sample(name, {"topk": TOPK, "index_head_dim": 16})(**values)
        found = reference(name, TOPK=TOPK)(*values.values())
        assert torch.equal(found.sort(dim=1).values, expected.sort(dim=1).values)
        return
    values = attention_inputs(name)
    for mine, other in zip(
        reference(name)(*values.values()), sample(name, {})(**values), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=2**-7, atol=1e-4)


def test_stored_choices_are_of_tokens_that_the_query_sees() -> None:
    rows = chosen_tokens(Stream(1), (100, 0, 3000), 2, 64)
    assert rows.shape == (6, 2048)
    for row, seen in zip(rows, (99, 100, 0, 0, 2999, 3000), strict=True):
        chosen = row[row >= 0]
        assert len(set(chosen.tolist())) == len(chosen) == min(max(seen, 0), 2048)
