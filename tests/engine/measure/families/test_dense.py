"""Operators that read all, and samplers, that read all of what a limit cuts."""

from __future__ import annotations

import pytest
import torch

from engine.measure.facts import Work
from engine.measure.work import work_of
from tests.engine.measure.bundled_work import (
    definition_of,
    inputs_of,
    table,
    work_with,
    workload_of,
)
from tests.flashinfer_trace.bundled import FUSED, GEMM, RMSNORM, ROPE, TOP_K

BOTH = TOP_K.replace("top_k", "top_k_top_p")
TOP_P = TOP_K.replace("top_k", "top_p")


def bundled_work(name: str, **at_least: int) -> tuple[dict[str, int], Work]:
    workload = workload_of(name, **at_least)
    work = work_of(definition_of(name), workload.axes, inputs_of(name, workload))
    return workload.axes, work


@pytest.mark.parametrize(("name", "added"), [(RMSNORM, 0), (FUSED, 1)])
def test_normalisation(name: str, added: int) -> None:
    axes, work = bundled_work(name, batch_size=5)
    rows = axes["batch_size"] * 4096 * 2
    assert work == Work(
        read_bytes=(1 + added) * rows + 4096 * 2, written_bytes=rows, basis="formula"
    )
    assert work_of(definition_of(name), {"batch_size": 0}, {}).read_bytes == 0


def test_a_matrix_product() -> None:
    axes, work = bundled_work(GEMM, M=100)
    m = axes["M"]
    assert work == Work(
        read_bytes=(m * 4096 + 4096 * 4096) * 2,
        written_bytes=m * 4096 * 2,
        flops={"fp16": 2 * m * 4096 * 4096},
        basis="formula",
    )
    nothing = Work(read_bytes=0, written_bytes=0, basis="formula")
    assert work_of(definition_of(GEMM), {"M": 0}, {}) == nothing


def test_rotary_embedding_turns_half_a_head_by_the_angles_of_its_position() -> None:
    workload = workload_of(ROPE, num_tokens=8)
    values, axes = inputs_of(ROPE, workload), workload.axes
    positions = table(values, "positions")
    heads = axes["num_tokens"] * (axes["num_qo_heads"] + axes["num_kv_heads"])
    assert work_of(definition_of(ROPE), axes, values) == Work(
        read_bytes=heads * 64 * 2 + len(set(positions)) * 64 * 4 + len(positions) * 8,
        written_bytes=heads * 64 * 2,
        basis="formula",
    )


def test_tokens_of_one_position_share_its_angles() -> None:
    axes = {"num_tokens": 3, "num_qo_heads": 2, "num_kv_heads": 1, "max_seq_len": 9}
    work = work_with(ROPE, axes, positions=[4, 4, 8])
    assert work.read_bytes == 3 * 3 * 64 * 2 + 2 * 64 * 4 + 3 * 8


@pytest.mark.parametrize("name", [TOP_K, TOP_P, BOTH])
def test_sampling(name: str) -> None:
    workload = workload_of(name, batch_size=8)
    values, rows = inputs_of(name, workload), workload.axes["batch_size"]
    limited, limits = set(), 0
    for kind in ("top_k", "top_p"):
        value = values.get(kind)
        if isinstance(value, torch.Tensor):
            limits += 1
            for row, limit in enumerate(value.tolist()):
                if 0 < limit < 128256 if kind == "top_k" else limit < 1:
                    limited.add(row)
    assert work_of(definition_of(name), workload.axes, values) == Work(
        read_bytes=len(limited) * 128256 * 4 + limits * rows * 4,
        written_bytes=rows * 8,
        basis="formula",
    )


def test_a_row_that_no_limit_cuts_may_be_left_early() -> None:
    row, axes = 128256 * 4, {"batch_size": 4}
    work = work_with(BOTH, axes, top_k=[0, 128256, 5, -1], top_p=[1.0, 1.5, 1.0, 0.0])
    assert work.read_bytes == 2 * row + 2 * 4 * 4
    assert work_with(BOTH, axes, top_k=[0] * 4, top_p=[1.0] * 4).read_bytes == 2 * 4 * 4
