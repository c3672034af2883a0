"""Which tensor files the workloads of a file need."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from engine.schema import SafetensorsInput, SchemaError, Workload
from engine.store.dialect import read_line


class Need(NamedTuple):
    """What one workload needs.

    Args:
        uuid: Of the workload.
        paths: Its tensor files, each once, relative to the dataset.
    """

    uuid: str
    paths: list[str]


def need_of(workload: Workload) -> Need:
    """Tensor files that a workload needs."""
    paths = [item.path for item in workload.inputs.values() if isinstance(item, SafetensorsInput)]
    return Need(workload.uuid, list(dict.fromkeys(str(PurePosixPath(path)) for path in paths)))


def needs_of(path: Path) -> tuple[list[Need], list[str]]:
    """What the workloads of a file need.

    Returns:
        A need for each workload, and a sentence for each line that cannot be read.
    """
    needs: list[Need] = []
    problems: list[str] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        return [], [f"{path}: {error.strerror}"]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            needs.append(need_of(read_line(line, number).item.workload))
        except SchemaError as error:
            problems.append(str(error.at(str(path))))
    return needs, problems
