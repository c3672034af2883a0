"""Differential fuzz of the trace store, for as long as one likes.

``python -m benchmarks.fuzz_store --seeds 100 --operations 800 --first 0`` changes a small dataset
at random, 800 times for each of 100 seeds, kills indexers on the way, and compares every store
that followed with one built afresh. It ends with status 1 where a seed differed; the same seed
makes the same changes to the files again.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.engine.store.fuzzing import QUICK, USUAL, Ending, Trial

USUAL_EVERY = 8
"""Every so many seeds wait as long as the store does outside of tests until a file is quiet."""


def main() -> int:
    """Run the seeds that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--operations", type=int, default=800)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the files of seeds that differ here")
    chosen = parser.parse_args()
    started, equal = time.monotonic(), 0
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with ProcessPoolExecutor(chosen.processes, max_tasks_per_child=1) as pool:
        jobs = ((seed, chosen.operations, chosen.folder) for seed in seeds)
        for ending in pool.map(run_seed, *zip(*jobs, strict=True)):
            equal += not ending.wrong
            print(_line(ending), flush=True)
    seconds = time.monotonic() - started
    print(f"{equal}/{chosen.seeds} seeds x {chosen.operations} equal in {seconds:.0f} s")
    return equal != chosen.seeds


def run_seed(seed: int, operations: int, kept: Path | None) -> Ending:
    """One seed, in a folder that stays only where something differed and ``kept`` is given."""
    with _folder(seed, kept) as folder:
        usual = seed % USUAL_EVERY == USUAL_EVERY - 1
        try:
            trial = Trial(folder, seed, USUAL if usual else QUICK)
            ending = trial.run(operations, comparisons=2 if usual else 5)
        except Exception:
            ending = Ending(seed, 0, 0, 0, 0, traceback.format_exc().splitlines())
        if not ending.wrong:
            shutil.rmtree(folder)
    return ending


@contextlib.contextmanager
def _folder(seed: int, kept: Path | None) -> Iterator[Path]:
    if kept is None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            (Path(name) / "seed").mkdir()
            yield Path(name) / "seed"
        return
    folder = kept / f"seed{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder


def _line(ending: Ending) -> str:
    head = (
        f"seed {ending.seed}: {ending.comparisons} comparisons, {ending.kills} kills, "
        f"{ending.traces} traces, {ending.problems} problems: "
    )
    if not ending.wrong:
        return head + "equal"
    return "\n  ".join([head + f"{len(ending.wrong)} DIFFERENCES", *ending.wrong[:12]])


if __name__ == "__main__":
    sys.exit(main())
