"""Integers that point somewhere: each rule speaks when it must, and not when it need not."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from engine.schema import Definition, decode
from engine.validate.tensors import Number, Tensor
from engine.validate.values import Case, faults, is_index

Shapes = dict[str, list[str]]
Rows = Sequence[Any]


def definition(shapes: Shapes, scalars: Sequence[str] = ()) -> Definition:
    axes = {axis: {"type": "var"} for shape in shapes.values() for axis in shape}
    integers = {name: {"shape": shape, "dtype": "int32"} for name, shape in shapes.items()}
    record = {
        "name": "x",
        "op_type": "x",
        "axes": axes,
        "inputs": {**integers, **{name: {"shape": None, "dtype": "int32"} for name in scalars}},
        "outputs": {},
        "reference": "def run(): pass",
    }
    return decode(json.dumps(record), Definition)


def case(
    shapes: Shapes,
    lengths: dict[str, int],
    stored: dict[str, Rows],
    scalars: dict[str, Number] | None = None,
    stated: Sequence[frozenset[str]] = (),
) -> Case:
    tensors = {name: tensor(rows) for name, rows in stored.items()}
    return Case(definition(shapes, list(scalars or ())), lengths, tensors, scalars or {}, stated)


def tensor(rows: Rows) -> Tensor:
    if rows and isinstance(rows[0], (list, tuple)):
        flat = [item for row in rows for item in row]
        return Tensor((len(rows), len(rows[0])), lambda: flat)
    return Tensor((len(rows),), lambda: rows)


PAGED: Shapes = {
    "kv_cache": ["num_pages", "page_size", "heads", "dim"],
    "kv_indptr": ["len_indptr"],
    "kv_indices": ["num_kv_indices"],
    "kv_last_page_len": ["batch"],
}
PAGED_LENGTHS = {"num_pages": 5, "page_size": 4, "len_indptr": 4, "num_kv_indices": 3, "batch": 3}
PAGED_VALUES: dict[str, Rows] = {
    "kv_indptr": [0, 2, 2, 3],
    "kv_indices": [4, 0, 1],
    "kv_last_page_len": [4, 0, 1],
}


def paged(**changes: Rows) -> list[tuple[str, str]]:
    return list(faults(case(PAGED, PAGED_LENGTHS, {**PAGED_VALUES, **changes})))


def test_a_sound_page_table_is_left_alone() -> None:
    assert paged() == []


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("kv_indptr", [], "has no element"),
        ("kv_indptr", [1, 2, 2, 3], "starts at 1"),
        ("kv_indptr", [0, 3, 1, 3], r"falls from 3 to 1 at \[2\]"),
        ("kv_indptr", [0, 2, 2, 4], "ends at 4, and axis num_kv_indices is 3"),
        ("kv_indices", [4, 0, 5], r"\[2\] is 5, outside of the num_pages of the cache \(0 to 4\)"),
        ("kv_indices", [-1, 0, 1], r"\[0\] is -1"),
        ("kv_last_page_len", [5, 0, 1], r"\[0\] is 5"),
        ("kv_last_page_len", [0, 0, 1], r"\[0\] is 0"),
        ("kv_last_page_len", [4, -1, 1], r"\[1\] is -1"),
    ],
)
def test_a_page_table_that_is_wrong(name: str, values: Rows, message: str) -> None:
    found = [text for subject, text in paged(**{name: values}) if subject == name]
    assert len(found) == 1 and re.search(message, found[0])


def test_pages_beyond_the_last_row_are_not_read_and_not_looked_at() -> None:
    shapes, lengths = dict(PAGED), {**PAGED_LENGTHS, "num_kv_indices": 4}
    stated = [frozenset({"num_kv_indices", "kv_indptr"})]
    values = {**PAGED_VALUES, "kv_indices": [4, 0, 1, 99]}
    assert list(faults(case(shapes, lengths, values, stated=stated))) == []


def test_without_row_pointers_any_last_page_may_be_empty() -> None:
    values = {"kv_last_page_len": [0, 4, 1]}
    assert list(faults(case(PAGED, PAGED_LENGTHS, values))) == []


def test_an_end_that_a_constraint_speaks_of_is_left_to_it() -> None:
    stated = [frozenset({"num_kv_indices", "kv_indptr"})]
    values = {**PAGED_VALUES, "kv_indptr": [0, 2, 2, 2]}
    assert list(faults(case(PAGED, PAGED_LENGTHS, values, stated=stated))) == []


@pytest.mark.parametrize(
    ("name", "axis"),
    [("qo_indptr", "total_q"), ("kv_indptr", "total_kv"), ("cu_seqlens", "total_seq_len")],
)
def test_row_pointers_end_where_their_axis_ends(name: str, axis: str) -> None:
    shapes: Shapes = {"x": [axis], name: ["rows"]}
    assert list(faults(case(shapes, {axis: 7}, {name: [0, 7]}))) == []
    (fault,) = faults(case(shapes, {axis: 7}, {name: [0, 6]}))
    assert fault == (name, f"ends at 6, and axis {axis} is 7 long")


INDEXER: Shapes = {
    "k_cache": ["num_pages", "page_size", "width"],
    "seq_lens": ["batch"],
    "block_table": ["batch", "most_pages"],
}
INDEXER_LENGTHS = {"num_pages": 3, "page_size": 4, "most_pages": 2, "batch": 2}


def test_a_block_table_is_looked_at_as_far_as_the_lengths_reach() -> None:
    def found(lengths: Rows, table: Rows) -> list[str]:
        stored = {"seq_lens": lengths, "block_table": table}
        return [f"{name} {text}" for name, text in faults(case(INDEXER, INDEXER_LENGTHS, stored))]

    assert found([5, 4], [[2, 0], [1, -99]]) == []
    assert found([0, 8], [[-99, -99], [1, 2]]) == []
    (wrong,) = found([5, 5], [[2, 0], [1, 3]])
    assert wrong.startswith("block_table row 1, [1] is 3")
    (wrong,) = found([9, 4], [[2, 0], [1, 0]])
    assert wrong.startswith("seq_lens [0] is 9, outside of the pages of the block table (0 to 8)")


def one(name: str, values: Rows, shapes: Shapes, lengths: dict[str, int]) -> list[tuple[str, str]]:
    return list(faults(case(shapes, lengths, {name: values})))


def test_sparse_indices_are_tokens_of_the_cache_or_minus_one() -> None:
    shapes: Shapes = {"kv_cache": ["pages", "size", "width"], "sparse_indices": ["n", "k"]}
    lengths = {"pages": 2, "size": 4}
    assert one("sparse_indices", [[0, 7, -1]], shapes, lengths) == []
    assert one("sparse_indices", [[0, 8, -1]], shapes, lengths)
    assert one("sparse_indices", [[0, 7, -2]], shapes, lengths)


def test_caches_that_disagree_about_their_pages_are_not_guessed_at() -> None:
    shapes: Shapes = {
        "k_cache": ["pages", "size", "width"],
        "v_cache": ["others", "size", "width"],
        "sparse_indices": ["n"],
    }
    assert one("sparse_indices", [99], shapes, {"pages": 2, "others": 9, "size": 4}) == []


def test_experts_may_be_plain_or_carry_their_weight() -> None:
    shapes: Shapes = {"topk_ids": ["n", "k"]}
    assert one("topk_ids", [[0, 7]], shapes, {"num_experts": 8}) == []
    assert one("topk_ids", [[3 << 16 | 0x3F80, 7 << 16]], shapes, {"num_experts": 8}) == []
    assert one("topk_ids", [[0, 8]], shapes, {"num_experts": 8}) == []  # expert 0, weight 8
    assert one("topk_ids", [[0, 8 << 16]], shapes, {"num_experts": 8})
    assert one("topk_ids", [[0, -1]], shapes, {"num_experts": 8})


def test_local_experts_lie_within_all() -> None:
    def found(offset: int) -> list[tuple[str, str]]:
        lengths = {"num_experts": 8, "num_local_experts": 2}
        return list(faults(case({}, lengths, {}, {"local_expert_offset": offset})))

    assert not found(0) and not found(6)
    assert found(7) and found(-1)


def test_positions_are_rows_of_the_table_of_angles() -> None:
    shapes: Shapes = {"cos_sin_cache": ["most", "width"], "positions": ["n"]}
    assert one("positions", [0, 9], shapes, {"most": 10}) == []
    assert one("positions", [0, 10], shapes, {"most": 10})


@pytest.mark.parametrize("name", ["state_indices", "state_batch_indices"])
def test_slots_are_rows_of_the_state_they_are_named_after(name: str) -> None:
    shapes: Shapes = {"state": ["slots", "width"], name: ["n"]}
    assert one(name, [0, 3, -1], shapes, {"slots": 4}) == []
    assert one(name, [0, 4], shapes, {"slots": 4})


def test_names_that_point_somewhere_are_told_from_others() -> None:
    shapes: Shapes = {
        **PAGED,
        **INDEXER,
        "cu_seqlens": ["n"],
        "topk_ids": ["n"],
        "top_k": ["n"],
        "k_index_cache_fp8": ["num_pages", "page_size", "width"],
    }
    found = definition(shapes, ["local_expert_offset"])
    pointing = {name for name in found.inputs if is_index(found, name)}
    assert pointing == {
        *("kv_indptr", "kv_indices", "kv_last_page_len"),
        *("seq_lens", "block_table", "cu_seqlens", "topk_ids"),
    }
