"""Attention: bytes and operations as counted one token at a time, and what nobody need read."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.evaluate.inputs import Value
from engine.measure.facts import Work
from engine.measure.work import work_of
from tests.engine.measure.bundled_work import (
    definition_of,
    inputs_of,
    table,
    work_with,
    workload_of,
)

Seen = tuple[set[tuple[int, int]], int, int, int]


def seen_pages(values: dict[str, Value], page_size: int) -> Seen:
    """Places (page, token) that some query sees, queries that see one, pairs, table entries."""
    indices = table(values, "kv_indices")
    pages = list(pairwise(table(values, "kv_indptr")))
    queries = [1] * len(pages)
    if "qo_indptr" in values:
        queries = [end - begin for begin, end in pairwise(table(values, "qo_indptr"))]
    last = [page_size] * len(pages)
    if "kv_last_page_len" in values:
        last = table(values, "kv_last_page_len")
    places, seeing, pairs, named = set(), 0, 0, 0
    for (begin, end), many, rest in zip(pages, queries, last, strict=True):
        own = [(page, slot) for page in indices[begin:end] for slot in range(page_size)]
        own = own[: len(own) - page_size + rest] if own else []
        for query in range(many):
            visible = own[: max(0, query + len(own) - many + 1)]
            places.update(visible)
            seeing += bool(visible)
            pairs += len(visible)
        named += end - begin if many else 0
    return places, seeing, pairs, named


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("gqa_paged_decode_h32_kv8_d128_ps1", {"batch_size": 16}),
        ("gqa_paged_decode_h20_kv4_d128_ps64", {"batch_size": 8}),
        ("gqa_paged_prefill_causal_h5_kv1_d128_ps1", {"total_q": 40}),
        ("gqa_paged_prefill_causal_h32_kv8_d128_ps64", {"batch_size": 3}),
    ],
)
def test_grouped_attention_over_pages(name: str, axes: dict[str, int]) -> None:
    workload, definition = workload_of(name, **axes), definition_of(name)
    values = inputs_of(name, workload)
    length = definition.const_axes
    heads, shared = length["num_qo_heads"], length["num_kv_heads"]
    places, seeing, pairs, named = seen_pages(values, length["page_size"])
    read = len(places) * shared * 128 * 2 * 2 + seeing * heads * 128 * 2 + named * 4
    tables = ("kv_indptr", "qo_indptr", "kv_last_page_len")
    read += sum(4 * len(table(values, name)) for name in tables if name in values)
    rows = workload.axes.get("total_q", workload.axes.get("batch_size", 0))
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=read,
        written_bytes=rows * heads * (128 * 2 + 4),
        flops={"bf16": pairs * heads * (128 + 128) * 2},
        basis="formula",
    )


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("mla_paged_decode_h16_ckv512_kpe64_ps1", {"batch_size": 8}),
        ("mla_paged_decode_h16_ckv512_kpe64_ps64", {"batch_size": 8}),
        ("mla_paged_prefill_causal_h8_ckv512_kpe64_ps1", {"total_q": 40}),
        ("mla_paged_prefill_causal_h16_ckv512_kpe64_ps64", {"batch_size": 3}),
    ],
)
def test_latent_attention_over_pages(name: str, axes: dict[str, int]) -> None:
    workload, definition = workload_of(name, **axes), definition_of(name)
    values = inputs_of(name, workload)
    heads = definition.const_axes["num_qo_heads"]
    places, seeing, pairs, named = seen_pages(values, definition.const_axes["page_size"])
    read = len(places) * (512 + 64) * 2 + seeing * heads * (512 + 64) * 2 + named * 4
    tables = ("kv_indptr", "qo_indptr", "kv_last_page_len")
    read += sum(4 * len(table(values, name)) for name in tables if name in values)
    rows = workload.axes.get("total_q", workload.axes.get("batch_size", 0))
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=read,
        written_bytes=rows * heads * (512 * 2 + 4),
        flops={"bf16": pairs * heads * (512 + 64 + 512) * 2},
        basis="formula",
    )


@pytest.mark.parametrize(
    ("name", "shared", "depth", "width"),
    [
        ("gqa_ragged_prefill_causal_h32_kv8_d128", 8, 128, 128),
        ("mla_ragged_prefill_causal_h16_qk192_vo128", 16, 192, 128),
    ],
)
def test_attention_over_ragged_keys(name: str, shared: int, depth: int, width: int) -> None:
    workload, definition = workload_of(name, len_indptr=4), definition_of(name)
    values = inputs_of(name, workload)
    heads, rows = definition.const_axes["num_qo_heads"], workload.axes["total_q"]
    bounds = [list(pairwise(table(values, f"{kind}_indptr"))) for kind in ("qo", "kv")]
    pairs = sum(
        max(0, query + (end - begin) - (last - first) + 1)
        for (first, last), (begin, end) in zip(*bounds, strict=True)
        for query in range(last - first)
    )
    read = workload.axes["total_kv"] * shared * (depth + width) * 2 + rows * heads * depth * 2
    assert work_of(definition, workload.axes, values) == Work(
        read_bytes=read + 2 * 4 * workload.axes["len_indptr"],
        written_bytes=rows * heads * (width * 2 + 4),
        flops={"bf16": pairs * heads * (depth + width) * 2},
        basis="formula",
    )


DECODE = "gqa_paged_decode_h32_kv8_d128_ps64"
TOKEN = 8 * 128 * 2 * 2
"""Key and value of one token, in bytes."""
QUERY = 32 * 128 * 2


def decode(indptr: list[int], indices: list[int], last: list[int]) -> Work:
    axes = {
        "batch_size": len(last),
        "num_pages": 8,
        "len_indptr": len(indptr),
        "num_kv_indices": len(indices),
    }
    return work_with(DECODE, axes, kv_indptr=indptr, kv_indices=indices, kv_last_page_len=last)


def test_a_page_that_sequences_share_is_read_once_and_computed_with_twice() -> None:
    work = decode([0, 2, 4], [5, 1, 5, 2], [10, 20])
    assert work.read_bytes == (64 + 10 + 20) * TOKEN + 2 * QUERY + (3 + 4 + 2) * 4
    assert work.flops == {"bf16": (74 + 84) * 32 * 256 * 2}


def test_of_a_page_that_ends_two_sequences_the_longer_part_is_read() -> None:
    assert decode([0, 1, 2], [3, 3], [10, 20]).read_bytes == 20 * TOKEN + 2 * QUERY + 7 * 4
    assert decode([0, 1, 3], [3, 3, 4], [10, 1]).read_bytes == 65 * TOKEN + 2 * QUERY + 8 * 4


def test_a_sequence_without_pages_is_only_written() -> None:
    work = decode([0, 0, 1, 1], [6], [1, 30, 1])
    assert work.read_bytes == 30 * TOKEN + QUERY + (4 + 1 + 1) * 4
    assert work.written_bytes == 3 * 32 * (128 * 2 + 4)
    assert decode([0, 0], [], [1]).flops == {}


PREFILL = "gqa_paged_prefill_causal_h32_kv8_d128_ps1"


def prefill(qo_indptr: list[int], kv_indptr: list[int]) -> Work:
    axes = {
        "len_indptr": len(qo_indptr),
        "total_q": qo_indptr[-1],
        "num_kv_indices": kv_indptr[-1],
        "num_pages": 64,
    }
    indices = list(range(kv_indptr[-1]))
    return work_with(PREFILL, axes, qo_indptr=qo_indptr, kv_indptr=kv_indptr, kv_indices=indices)


def test_a_causal_query_meets_the_keys_up_to_its_own() -> None:
    work = prefill([0, 3], [0, 5])  # they see 3, 4 and 5 keys
    assert work.flops == {"bf16": 12 * 32 * 256 * 2}
    assert work.read_bytes == 5 * TOKEN + 3 * QUERY + (2 + 2 + 5) * 4


def test_queries_before_the_first_key_are_not_read() -> None:
    work = prefill([0, 5], [0, 2])  # the last two see 1 and 2 keys
    assert work.flops == {"bf16": 3 * 32 * 256 * 2}
    assert work.read_bytes == 2 * TOKEN + 2 * QUERY + (2 + 2 + 2) * 4
    assert work.written_bytes == 5 * 32 * (128 * 2 + 4)


def test_a_sequence_without_queries_needs_no_keys() -> None:
    work = prefill([0, 1, 1], [0, 2, 9])
    assert work.read_bytes == 2 * TOKEN + QUERY + (3 + 3 + 2) * 4


def test_one_length_of_a_last_page_too_many_is_overlooked() -> None:
    name = "gqa_paged_prefill_causal_h32_kv8_d128_ps64"
    axes = {"len_indptr": 2, "total_q": 1, "num_kv_indices": 1, "num_pages": 2, "batch_size": 2}
    tables = {"qo_indptr": [0, 1], "kv_indptr": [0, 1], "kv_indices": [1]}
    work = work_with(name, axes, **tables, kv_last_page_len=[7, 0])
    assert work.read_bytes == 7 * TOKEN + QUERY + (2 + 2 + 1 + 1) * 4
    work = work_with(name, axes | {"batch_size": 0}, **tables, kv_last_page_len=[])
    assert work.basis == "shapes"


def test_ragged_keys_of_a_sequence_without_queries_are_not_read() -> None:
    work = work_with(
        "gqa_ragged_prefill_causal_h32_kv8_d128",
        {"len_indptr": 3, "total_q": 2, "total_kv": 9},
        qo_indptr=[0, 2, 2],
        kv_indptr=[0, 4, 9],
    )
    assert work.read_bytes == 4 * TOKEN + 2 * QUERY + 6 * 4
    assert work.flops == {"bf16": (3 + 4) * 32 * 256 * 2}
