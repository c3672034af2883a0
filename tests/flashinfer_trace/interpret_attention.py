"""Run the Triton solutions of the attention families on small batches; a program, since the
interpreter must be chosen before triton is imported. Solutions of equal sources and shapes are run
once. Prints one line for each that is right."""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from pathlib import Path

import torch

from tests.flashinfer_trace.attention_cases import NAMES, few_heads, fixed, small_batches
from tests.flashinfer_trace.bundled import assert_same, call, load, reference, solutions
from tests.flashinfer_trace.families import source_text

WIDTHS = ("head_dim", "qk_dim", "vo_dim", "page_size")
SPLIT = (2, 3)
"""Batches whose sequences are split, one of them empty."""


def check(name: str, heads: tuple[int, int], folder: Path) -> None:
    """Outputs equal the reference's, also where a sequence is split."""
    record = solutions()[f"triton_{name}"]
    run = load(record, folder)
    launch = importlib.import_module(f"{record['name']}.launch")
    for number, inputs in enumerate(small_batches(name, heads)):
        launch._INTERPRETED_SPLITS = 4 if number in SPLIT else 1
        assert_same(call(record, run, inputs), reference(name)(*inputs.values()))


def main() -> None:
    torch.set_num_threads(1)  # small tensors
    seen: set[tuple[object, ...]] = set()
    for name in NAMES:
        source = source_text(solutions()[f"triton_{name}"])
        queries, kv_heads = few_heads(name)
        if (source,) in seen:  # several KV heads with one group size are enough
            queries, kv_heads = queries // kv_heads, 1
        widths = tuple(fixed(name).get(axis) for axis in WIDTHS)
        begin = time.perf_counter()
        if (source, queries // kv_heads, widths) not in seen:
            with tempfile.TemporaryDirectory() as folder:
                check(name, (queries, kv_heads), Path(folder))
        seen |= {(source,), (source, queries // kv_heads, widths)}
        print(name)
        print(f"{name}: {time.perf_counter() - begin:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
