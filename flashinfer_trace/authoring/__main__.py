"""`python -m flashinfer_trace.authoring [--check]`: write the dataset's files, or compare them."""

from __future__ import annotations

import argparse
import sys

from flashinfer_trace import ROOT
from flashinfer_trace.authoring import gemm, gqa_paged, rmsnorm, rope, sampling
from flashinfer_trace.authoring.emit import render, stale, write
from flashinfer_trace.authoring.spec import Problem

_FAMILIES = (rmsnorm, gemm, gqa_paged, rope, sampling)


def problems() -> list[Problem]:
    """Return everything that the dataset holds, family by family."""
    return [problem for family in _FAMILIES for problem in family.problems()]


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` name what is stale.

    Returns:
        0, or 1 when a checked file is missing, differs or is left over.
    """
    parser = argparse.ArgumentParser(
        prog="python -m flashinfer_trace.authoring", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    files = render(problems())
    if not options.check:
        for path in write(ROOT, files):
            print(f"wrote: {path}")
    found = stale(ROOT, files)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
