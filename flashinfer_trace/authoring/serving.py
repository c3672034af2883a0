"""The batches that a server sends to attention: lengths, offsets and page tables, from a seed.

A batch is seeded with its sizes alone, so definitions called with the same sizes get the same
tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flashinfer_trace.authoring.spec import Array, Blobs, Scalar, Stored, Workload
from flashinfer_trace.authoring.streams import Stream

Lengths = NDArray[np.int64]
DecodeBatches = Sequence[tuple[int, int, int]]
"""(sequences, pages of the cache, cached tokens) of each."""
PagedBatches = Sequence[tuple[int, int, int, int]]
"""(sequences, query tokens, cached tokens, pages of the cache) of each."""
RaggedBatches = Sequence[tuple[int, int, int]]
"""(sequences, query tokens, key tokens) of each."""
Called = tuple[tuple[Workload, ...], Blobs]
"""Workloads, and the files in which their tables lie."""

_SPARSE = 100_000
"""Pages beyond which a cache is not shuffled as a whole."""


def decoding(page_size: int, batches: DecodeBatches, scale: float) -> Called:
    """Return the workloads of decoding steps; `scale` is their `sm_scale`."""
    calls = _Calls(scale)
    for batch_size, num_pages, tokens in batches:
        stream = Stream(batch_size, num_pages, tokens)
        lengths = sequence_lengths(stream, batch_size, tokens)
        table = page_table(stream, lengths, page_size, num_pages)
        axes = {
            "batch_size": batch_size,
            "num_pages": num_pages,
            "len_indptr": batch_size + 1,
            "num_kv_indices": len(table["kv_indices"]),
        }
        calls.add(f"batch_{batch_size}_tokens_{tokens}", axes, table)
    return calls.called()


def paged_prefill(page_size: int, batches: PagedBatches, scale: float) -> Called:
    """Return the workloads of prefills over a paged cache; `scale` is their `sm_scale`."""
    calls = _Calls(scale)
    for batch_size, total_q, tokens, num_pages in batches:
        stream = Stream(batch_size, total_q, tokens, num_pages)
        queries, lengths = _prefilled(stream, batch_size, total_q, tokens)
        table = page_table(stream, lengths, page_size, num_pages)
        axes = {
            "len_indptr": batch_size + 1,
            "total_q": total_q,
            "num_kv_indices": len(table["kv_indices"]),
            "num_pages": num_pages,
        }
        if page_size > 1:
            axes["batch_size"] = batch_size
        name = f"batch_{batch_size}_queries_{total_q}_tokens_{tokens}"
        calls.add(name, axes, {"qo_indptr": offsets(queries), **table})
    return calls.called()


def ragged_prefill(batches: RaggedBatches, scale: float) -> Called:
    """Return the workloads of prefills whose keys lie one after another; `scale` as above."""
    calls = _Calls(scale)
    for batch_size, total_q, total_kv in batches:
        queries, lengths = _prefilled(
            Stream(batch_size, total_q, total_kv), batch_size, total_q, total_kv
        )
        axes = {"len_indptr": batch_size + 1, "total_q": total_q, "total_kv": total_kv}
        tables = {"qo_indptr": offsets(queries), "kv_indptr": offsets(lengths)}
        calls.add(f"batch_{batch_size}_queries_{total_q}_tokens_{total_kv}", axes, tables)
    return calls.called()


class _Calls:
    """Collects workloads; calls with equal axes get labels and share a file."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._seen: dict[tuple[int, ...], int] = {}
        self._workloads: list[Workload] = []
        self._blobs: dict[str, dict[str, Array]] = {}

    def add(self, name: str, axes: Mapping[str, int], tables: Mapping[str, Array]) -> None:
        file = f"{name}.safetensors"
        times = self._seen[tuple(axes.values())] = self._seen.get(tuple(axes.values()), 0) + 1
        if times == 1 and file in self._blobs:
            raise ValueError(f"two batches would be kept in {file}")
        self._blobs[file] = dict(tables)
        inputs: dict[str, Scalar | Stored] = {key: Stored(file, key) for key in tables}
        inputs["sm_scale"] = Scalar(self._scale)
        self._workloads.append(Workload(axes, inputs, "" if times == 1 else f"again {times}"))

    def called(self) -> Called:
        return tuple(self._workloads), self._blobs


def sequence_lengths(stream: Stream, batch_size: int, total: int) -> Lengths:
    """Return ragged lengths of at least one token that add up to `total`, [batch_size].

    Weights are exponentials of a sum of uniforms, close to the log-normal spread of prompt and
    answer lengths; the longest of 64 sequences is about three times the mean.
    """
    spread = stream.uniform(4 * batch_size).reshape(4, batch_size).sum(axis=0) - 2.0
    weights = np.exp(0.8 * spread)
    exact = weights / weights.sum() * (total - batch_size)
    lengths: Lengths = 1 + np.floor(exact).astype(np.int64)
    largest_remainder = np.argsort(np.floor(exact) - exact, kind="stable")
    lengths[largest_remainder[: total - int(lengths.sum())]] += 1
    return lengths


def offsets(lengths: Lengths) -> Array:
    """Return where each sequence begins and the last one ends, int32, [sequences + 1]."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def page_table(
    stream: Stream, lengths: Lengths, page_size: int, num_pages: int
) -> dict[str, Array]:
    """Return where the tokens of each sequence lie, as the inputs are called.

    The length of the last page is left out when pages hold one token.
    """
    pages = -(-lengths // page_size)
    table: dict[str, Array] = {
        "kv_indptr": offsets(pages),
        "kv_indices": page_numbers(stream, pages, num_pages, page_size).astype(np.int32),
    }
    if page_size > 1:
        table["kv_last_page_len"] = (lengths - (pages - 1) * page_size).astype(np.int32)
    return table


def page_numbers(stream: Stream, owned: Lengths, num_pages: int, page_size: int = 1) -> Lengths:
    """Return the pages of each sequence, concatenated, [sum of `owned`].

    Pages are handed out in ascending order of the free ones: a prompt takes a run of them at
    once, then the sequences take one each, step by step, until each has its number. Pages that
    other requests still hold leave gaps. All pages differ, unless the cache is too small for
    that: then the sequences begin with the same tokens and share their pages.
    """
    total = int(owned.sum())
    if total > num_pages:
        shared = stream.subset(num_pages, int(owned.max()))
        return np.concatenate([shared[:count] for count in owned.tolist()])
    free = iter(_free_pages(stream, total, num_pages).tolist())
    answers = stream.integers(0, 1 + max(1, 128 // page_size), len(owned))
    prompts = np.maximum(1, owned - answers)
    pages: list[list[int]] = [[] for _ in owned]
    for sequence in stream.permutation(len(owned)).tolist():
        pages[sequence] = [next(free) for _ in range(int(prompts[sequence]))]
    growing = [sequence for sequence in range(len(pages)) if owned[sequence] > prompts[sequence]]
    while growing:
        for sequence in growing:
            pages[sequence].append(next(free))
        growing = [item for item in growing if len(pages[item]) < owned[item]]
    return np.array([page for several in pages for page in several], dtype=np.int64)


def _free_pages(stream: Stream, total: int, num_pages: int) -> Lengths:
    """Return `total` different pages, ascending; in a very large cache, close to each other."""
    if num_pages <= _SPARSE:
        return stream.subset(num_pages, total)
    window = min(num_pages, 2 * total + 1000)
    (start,) = stream.integers(0, num_pages - window + 1, 1).tolist()
    return int(start) + stream.subset(window, total)


def _prefilled(
    stream: Stream, batch_size: int, total_q: int, total_kv: int
) -> tuple[Lengths, Lengths]:
    """Return the query tokens and the key tokens of each sequence.

    The queries are the last of the keys, after a prefix that may be empty. Where all queries are
    more than all keys, the keys are of the prefixes alone, and the lengths have nothing to do
    with each other.
    """
    queries = sequence_lengths(stream, batch_size, total_q)
    if total_kv < total_q:
        return queries, sequence_lengths(stream, batch_size, total_kv)
    prefixes = sequence_lengths(stream, batch_size, total_kv - total_q + batch_size) - 1
    return queries, queries + prefixes
