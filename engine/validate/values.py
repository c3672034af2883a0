"""What integers that point somewhere must be, by the names that the operators share.

Definitions may state these rules as constraints; published ones rarely do. A rule speaks only where
names and shapes leave no doubt of what is meant: row pointers (``*_indptr``, ``cu_seqlens``), page
tables (``kv_indices``, ``block_table``), lengths (``*last_page_len``, ``seq_lens``), tokens
(``sparse_indices``), experts (``topk_ids``, ``local_expert_offset``), rows of a table of angles
(``positions``) and slots of a state (``<state>_indices``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from engine.schema import Definition
from engine.validate.tensors import Number, Tensor, Unknown

Fault = tuple[str, str]
"""Name of an input, and what is wrong with its values."""

_PACKED_SHIFT = 16
"""Routed experts may carry their weight in the lower half: ``id << 16 | weight``."""
_NAMED = frozenset({"block_table", "expert_ids", "positions", "seq_lens", "topk_ids"})


class Case(NamedTuple):
    """One workload, for the rules.

    Args:
        definition: Of the workload.
        lengths: Of all axes that have one.
        stored: Integer tensors whose values are in the dataset.
        scalars: Scalar inputs with a value.
        stated: Names in each of the definition's own constraints.
    """

    definition: Definition
    lengths: Mapping[str, int]
    stored: Mapping[str, Tensor]
    scalars: Mapping[str, Number]
    stated: Sequence[frozenset[str]]

    def axes_of(self, name: str) -> list[str]:
        """Names of an input's axes; none for a scalar or where there is no such input."""
        spec = self.definition.inputs.get(name)
        return list(spec.shape or ()) if spec else []

    def values_of(self, name: str, rank: int = 1) -> Sequence[Number] | None:
        """Stored values of an input, where it has that many axes."""
        tensor = self.stored.get(name)
        return None if tensor is None or len(tensor.shape) != rank else tensor.values


def is_index(definition: Definition, name: str) -> bool:
    """Whether an input, by its name, holds integers that point somewhere."""
    spec = definition.inputs[name]
    if not spec.dtype.startswith("int") or spec.shape is None:
        return False
    return _is_row_pointer(name) or name.endswith(("_indices", "last_page_len")) or name in _NAMED


def faults(case: Case) -> Iterator[Fault]:
    """What is wrong with the integers of a workload."""
    for rule in (
        _row_pointers,
        _pages,
        _last_pages,
        _block_tables,
        _tokens,
        _experts,
        _local_experts,
        _positions,
        _slots,
    ):
        try:
            yield from rule(case)
        except Unknown:
            continue  # the file has gone meanwhile


def _is_row_pointer(name: str) -> bool:
    return name.endswith("indptr") or name.startswith("cu_seqlens")


def _row_pointers(case: Case) -> Iterator[Fault]:
    for name in case.stored:
        values = case.values_of(name)
        if values is None or not _is_row_pointer(name):
            continue
        if not len(values):
            yield name, "has no element; a row pointer has one more than there are rows"
            continue
        if values[0] != 0:
            yield name, f"starts at {values[0]}, not at 0"
        falls = next((i for i, (one, two) in enumerate(pairwise(values)) if two < one), None)
        if falls is not None:
            yield name, f"falls from {values[falls]} to {values[falls + 1]} at [{falls + 1}]"
        axis = _pointed_axis(case, name)
        stated = any({name, axis} <= names for names in case.stated)
        if axis and not stated and values[-1] != case.lengths[axis]:
            yield name, f"ends at {values[-1]}, and axis {axis} is {case.lengths[axis]} long"


def _pointed_axis(case: Case, name: str) -> str:
    """The axis that a row pointer divides; "" where it cannot be told."""
    stem = name.removesuffix("indptr").rstrip("_")
    indices = case.axes_of(f"{stem}_indices")
    usual = {"qo_indptr": "total_q", "cu_seqlens": "total_seq_len"}.get(name, f"total_{stem}")
    axis = indices[0] if len(indices) == 1 else usual
    return axis if axis in case.lengths else ""


def _cache_axes(case: Case) -> list[str]:
    """Axes of the caches, where all begin with the same: pages, then tokens of a page."""
    caches = [
        spec.shape[:2]
        for name, spec in case.definition.inputs.items()
        if spec.shape and len(spec.shape) >= 3 and "cache" in name
    ]
    same = caches and all(axes == caches[0] for axes in caches)
    return caches[0] if same and all(axis in case.lengths for axis in caches[0]) else []


def _pages(case: Case) -> Iterator[Fault]:
    axes = _cache_axes(case)
    for name in case.stored:
        values, rows = case.values_of(name), case.values_of(f"{name.removesuffix('indices')}indptr")
        if not name.endswith("_indices") or values is None or not rows or not axes:
            continue
        used = values[: max(0, int(rows[-1]))]
        yield from _outside(name, used, 0, case.lengths[axes[0]] - 1, f"the {axes[0]} of the cache")


def _last_pages(case: Case) -> Iterator[Fault]:
    axes = _cache_axes(case)
    for name in case.stored:
        values = case.values_of(name)
        if not name.endswith("last_page_len") or values is None or len(axes) < 2:
            continue
        rows = case.values_of(name.removesuffix("last_page_len") + "indptr") or ()
        full = case.lengths[axes[1]]
        empty = [one == two for one, two in pairwise(rows)]
        for position, value in enumerate(values):
            # A sequence without a page may say 0, and nothing else.
            least = 0 if position >= len(empty) or empty[position] else 1
            if not least <= value <= full:
                yield name, f"[{position}] is {value}; a last page holds {least} to {full} tokens"
                break


def _block_tables(case: Case) -> Iterator[Fault]:
    lengths, table = case.values_of("seq_lens"), case.values_of("block_table", rank=2)
    axes = _cache_axes(case)
    if lengths is None or table is None or len(axes) < 2:
        return
    width, tokens = case.stored["block_table"].shape[1], case.lengths[axes[1]]
    wrong = list(_outside("seq_lens", lengths, 0, width * tokens, "the pages of the block table"))
    yield from wrong
    if wrong or not tokens:
        return
    pages = case.lengths[axes[0]]
    for row, length in enumerate(lengths):
        used = table[row * width : row * width - int(-length // tokens)]
        wrong = list(_outside("block_table", used, 0, pages - 1, f"the {axes[0]} of the cache"))
        if wrong:
            yield "block_table", f"row {row}, {wrong[0][1]}"
            return


def _tokens(case: Case) -> Iterator[Fault]:
    tensor, axes = case.stored.get("sparse_indices"), _cache_axes(case)
    if tensor is not None and len(axes) == 2:
        most = case.lengths[axes[0]] * case.lengths[axes[1]] - 1
        yield from _outside("sparse_indices", tensor.values, -1, most, "the tokens of the cache")


def _experts(case: Case) -> Iterator[Fault]:
    count = case.lengths.get("num_experts")
    for name in ("topk_ids", "expert_ids"):
        tensor = case.stored.get(name)
        if tensor is None or count is None:
            continue
        plain = list(_outside(name, tensor.values, 0, count - 1, f"the {count} experts"))
        packed = [int(value) >> _PACKED_SHIFT for value in tensor.values] if plain else []
        if list(_outside(name, packed, 0, count - 1, "")):
            yield from plain


def _local_experts(case: Case) -> Iterator[Fault]:
    offset, count = case.scalars.get("local_expert_offset"), case.lengths.get("num_experts")
    local = case.lengths.get("num_local_experts", 0)
    if offset is not None and count is not None and not 0 <= offset <= count - local:
        message = f"is {offset}; {local} experts from there on are not within {count}"
        yield "local_expert_offset", message


def _positions(case: Case) -> Iterator[Fault]:
    tensor, axes = case.stored.get("positions"), case.axes_of("cos_sin_cache")
    if tensor is not None and axes and axes[0] in case.lengths:
        most = case.lengths[axes[0]] - 1
        yield from _outside("positions", tensor.values, 0, most, "the rows of cos_sin_cache")


def _slots(case: Case) -> Iterator[Fault]:
    for name, tensor in case.stored.items():
        if not name.endswith("_indices"):
            continue
        state = name.removesuffix("_indices").removesuffix("_batch")
        axes = case.axes_of(state)
        if len(axes) >= 2 and axes[0] in case.lengths:
            most = case.lengths[axes[0]] - 1
            yield from _outside(name, tensor.values, -1, most, f"the slots of {state}")


def _outside(
    name: str, values: Sequence[Number], low: int, high: int, what: str
) -> Iterator[Fault]:
    """The first value outside of a range, if any."""
    if not len(values) or (min(values) >= low and max(values) <= high):
        return
    position = next(i for i, value in enumerate(values) if not low <= value <= high)
    yield name, f"[{position}] is {values[position]}, outside of {what} ({low} to {high})"
