"""Sparse attention and its indexer: chosen tokens once, short sequences unseen."""

from __future__ import annotations

import pytest

from engine.measure.facts import Work
from engine.measure.work import work_of
from tests.engine.measure.bundled_work import (
    definition_of,
    inputs_of,
    table,
    work_with,
    workload_of,
)

ATTENTION = "dsa_sparse_attention_h16_ckv512_kpe64_topk2048_ps64"
INDEXER = "dsa_topk_indexer_fp8_h64_d128_topk2048_ps64"


@pytest.mark.parametrize("name", [ATTENTION, ATTENTION.replace("ps64", "ps1")])
def test_sparse_attention(name: str) -> None:
    workload, definition = workload_of(name, num_tokens=6), definition_of(name)
    values = inputs_of(name, workload)
    indices = table(values, "sparse_indices")
    chosen = [index for index in indices if index != -1]
    rows = [indices[begin : begin + 2048] for begin in range(0, len(indices), 2048)]
    asking = sum(max(row) >= 0 for row in rows)
    read = len(set(chosen)) * 576 * 2 + asking * 16 * 576 * 2 + 4 * len(indices)
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=read,
        written_bytes=len(rows) * 16 * (512 * 2 + 4),
        flops={"bf16": len(chosen) * 16 * (576 + 512) * 2},
        basis="formula",
    )


def test_a_token_that_nothing_is_chosen_for_is_only_written() -> None:
    rows = [[-1] * 2048, [3, 3, 5, *[-1] * 2045]]
    axes = {"num_tokens": 2, "num_pages": 4}
    work = work_with(ATTENTION, axes, sparse_indices=rows)
    assert work.read_bytes == 2 * 576 * 2 + 16 * 576 * 2 + 2 * 2048 * 4
    assert work.flops == {"bf16": 2 * 16 * (576 + 512) * 2}
    assert work.written_bytes == 2 * 16 * (512 * 2 + 4)
    beyond = [[4 * 64, *[-1] * 2047]] * 2
    assert work_with(ATTENTION, axes, sparse_indices=beyond).basis == "shapes"


def test_the_indexer() -> None:
    workload, definition = workload_of(INDEXER, batch_size=4), definition_of(INDEXER)
    values = inputs_of(INDEXER, workload)
    pages, lengths = table(values, "block_table"), table(values, "seq_lens")
    longest = workload.axes["max_num_pages"]
    places, scored, entries = set(), 0, 0
    for row, length in enumerate(lengths):
        own = pages[row * longest : (row + 1) * longest][: -(-length // 64)]
        entries += len(own)
        if length > 2048:
            scored += 1
            places |= set([(page, slot) for page in own for slot in range(64)][:length])
    assert scored
    read = len(places) * 132 + scored * (64 * 128 + 64 * 4) + 4 * (entries + len(lengths))
    products = sum(length for length in lengths if length > 2048) * 64 * 128
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=read,
        written_bytes=len(lengths) * 2048 * 4,
        flops={"fp8": 2 * products},
        basis="formula",
    )


def indexer(lengths: list[int], pages: list[list[int]]) -> Work:
    axes = {"batch_size": len(lengths), "max_num_pages": 40, "num_pages": 50}
    rows = [row + [0] * (40 - len(row)) for row in pages]
    return work_with(INDEXER, axes, seq_lens=lengths, block_table=rows)


def test_sequences_of_which_all_tokens_are_named_are_not_scored() -> None:
    work = indexer([2048, 1, 0], [list(range(32)), [7], []])
    assert work.flops == {}
    assert work.read_bytes == 3 * 4 + (32 + 1) * 4


def test_a_prefix_that_scored_sequences_share_is_read_once() -> None:
    shared = list(range(32))
    work = indexer([2048 + 10, 2048 + 20], [[*shared, 32], [*shared, 33]])
    assert work.read_bytes == (2048 + 30) * 132 + 2 * (64 * 128 + 64 * 4) + 2 * 4 + 2 * 33 * 4
    assert work.flops == {"fp8": 2 * (2 * 2048 + 30) * 64 * 128}


def test_a_sequence_longer_than_its_row_of_pages_is_told_by_shapes() -> None:
    assert indexer([40 * 64 + 1], [list(range(40))]).basis == "shapes"
