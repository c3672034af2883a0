"""`python -m flashinfer_trace.authoring [--check] [FAMILY ...]`: write the dataset's files, or
compare them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from flashinfer_trace import ROOT
from flashinfer_trace.authoring.emit import render, stale, write
from flashinfer_trace.authoring.spec import Problem

FAMILIES = (
    "rmsnorm",
    "gemm",
    "gqa_paged",
    "gqa_ragged",
    "mla_paged",
    "mla_ragged",
    "rope",
    "sampling",
    "moe",
    "gdn",
    "mamba_ssu",
    "dsa_paged",
)
"""Modules of this package, one per family of operators."""


def problems(families: Sequence[str] = FAMILIES) -> list[Problem]:
    """Return everything that the dataset holds of some families, family by family."""
    found: list[Problem] = []
    for family in families:
        found += import_module(f"flashinfer_trace.authoring.{family}").problems()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` name what is stale.

    Returns:
        0, or 1 when a checked file is missing, differs or is left over.
    """
    parser = argparse.ArgumentParser(
        prog="python -m flashinfer_trace.authoring", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    parser.add_argument("family", nargs="*", help="only these; nothing counts as left over then")
    options = parser.parse_args(arguments)
    files = render(problems(options.family or FAMILIES))
    if not options.check:
        for path in write(ROOT, files):
            print(f"wrote: {path}")
    found = stale(ROOT, files)
    if options.family:
        found = [line for line in found if not line.startswith("left over")]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
