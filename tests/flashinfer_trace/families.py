"""What the tests of whole families share: their names, the real dataset's facts, distributions."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import Record, definitions

SAMPLE = ROOT.parents[1] / "shared" / "real_dataset"
"""30 definitions of the real dataset, and the facts of all; not part of this repository."""

Sampler = Callable[..., Any]


def names(*op_types: str) -> list[str]:
    """Return the names of the bundled definitions of some operators, sorted."""
    return sorted(name for name, found in definitions().items() if found["op_type"] in op_types)


@cache
def facts(file: str, key: str) -> dict[str, dict[str, str]]:
    """Return a table of facts of the real dataset by one of its columns, or skip the test."""
    path = SAMPLE / file
    if not path.is_file():
        pytest.skip("the sample of the real dataset is not beside this repository")
    with path.open(newline="") as lines:
        return {row[key]: row for row in csv.DictReader(lines, delimiter="\t")}


def sample_run(name: str, replaced: dict[str, str]) -> Callable[..., Any]:
    """Return the `run` of a sample definition, other values in place of some of its numbers."""
    found = list((SAMPLE / "definitions").rglob(f"{name}.json"))
    if not found:
        pytest.skip("the sample of the real dataset is not beside this repository")
    source = json.loads(found[0].read_text())["reference"]
    for text, other in replaced.items():
        assert text in source
        source = source.replace(text, other)
    scope: dict[str, Any] = {}
    exec(compile(source, f"<sample of {name}>", "exec"), scope)
    run: Callable[..., Any] = scope["run"]
    return run


def distribution(run: Sampler, inputs: Record) -> torch.Tensor:
    """Return the chance of each token, float64, row by row, that a sampler gives it.

    Nothing is drawn: `torch.multinomial` answers with one place after another, and tells the
    weight that it was given for it.
    """
    rows, size = inputs["probs"].shape
    chances = torch.zeros(rows, size, dtype=torch.float64)
    for row in range(rows):
        alone = {name: value[row : row + 1].clone() for name, value in inputs.items()}
        for place in range(size):
            with _answering(place) as given:
                token = int(run(**alone))
            if not given:  # this row was decided without a draw
                chances[row, token] = 1.0
                break
            chances[row, token] += given[0][place].double() / given[0].double().sum()
    return chances


@contextmanager
def _answering(place: int) -> Iterator[list[torch.Tensor]]:
    given: list[torch.Tensor] = []

    def multinomial(weights: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        given.append(weights.reshape(-1))
        return torch.full((*weights.shape[:-1], 1), place)

    genuine = torch.multinomial
    torch.multinomial = multinomial
    try:
        yield given
    finally:
        torch.multinomial = genuine


def source_text(record: Record) -> str:
    """Return everything that a solution's kernel consists of, to tell equal ones."""
    return json.dumps([record["sources"], record["spec"]])


def distinct(records: list[Record]) -> list[Record]:
    """Return one of each group of solutions whose sources are the same."""
    return list({source_text(record): record for record in reversed(records)}.values())


def blob(line: Record, name: str) -> tuple[Path, str]:
    """Return the file and key of a stored input of a workload."""
    item = line["workload"]["inputs"][name]
    return ROOT / item["path"], item["tensor_key"]
