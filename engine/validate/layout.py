"""Checks of the layout: where files lie, which of them no loader reads, which blobs there are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from engine.schema import SafetensorsInput
from engine.store.filing import file_part
from engine.store.layers import FOLDERS
from engine.validate.documents import Dataset, Source, effective
from engine.validate.findings import Finding, found
from engine.validate.trace import Survey
from engine.validate.workload import missing_blobs

_QUIET = frozenset({".md", ".txt", ".rst", ".png", ".svg", ".tsv", ".csv"})
"""Endings of files that explain a dataset and mislead nobody."""


def check_layout(dataset: Dataset, survey: Survey) -> Iterator[Finding]:
    """What is wrong with the layout."""
    yield from dataset.unreadable
    if not dataset.patterns:
        if not (dataset.layers[0] / "definitions").is_dir():
            yield found("no-definitions", "there is no folder definitions")
        for layer, root in enumerate(dataset.layers):
            yield from _ignored(dataset, layer, root)
    operators = {name: item.item.op_type for name, item in effective(dataset.definitions).items()}
    yield from _documents(dataset, operators)
    yield from _lines(dataset, survey, operators)
    yield from missing_blobs(dataset)
    if not (dataset.patterns or dataset.broken):
        yield from _unused_blobs(dataset)


def _documents(dataset: Dataset, operators: Mapping[str, str]) -> Iterator[Finding]:
    """Definitions and solutions that do not lie where flashinfer-bench writes them."""
    for document in dataset.definitions:
        expected = ["definitions", document.item.op_type, document.item.name]
        yield from _place(document.source, expected, ".json")
    for solution in dataset.solutions:
        item = solution.item
        if item.definition in operators:
            folders = [item.author, operators[item.definition], item.definition]
            yield from _place(solution.source, ["solutions", *folders, item.name], ".json")


def _lines(dataset: Dataset, survey: Survey, operators: Mapping[str, str]) -> Iterator[Finding]:
    """Workload and trace files that do not lie where flashinfer-bench writes them."""
    authors = {name: item.item.author for name, item in effective(dataset.solutions).items()}
    workloads: dict[Source, set[str]] = {
        source: set() for source in dataset.sources if source.pure.parts[0] == "workloads"
    }
    for line in dataset.workloads:
        workloads[line.source].add(line.item.definition)
    for source, names in workloads.items():
        for name in sorted(names & operators.keys()):
            yield from _place(source, ["workloads", operators[name], name], ".jsonl")
    for source, pairs in survey.kept.items():
        for name, solution in sorted(pairs):
            if name in operators and solution in authors:
                folders = ["traces", authors[solution], operators[name]]
                yield from _trace_place(source, folders, name)
    broken = {finding.file for finding in (*dataset.broken, *survey.findings)}
    for source, content in (*workloads.items(), *survey.kept.items()):
        if not content and source.shown not in broken and not dataset.patterns:
            yield found("empty-file", "holds no line", file=source.shown)


def _place(source: Source, parts: list[str], suffix: str) -> Iterator[Finding]:
    expected = PurePosixPath(*map(file_part, parts[:-1]), file_part(parts[-1]) + suffix)
    if source.pure.parent != expected.parent:
        yield found("wrong-folder", f"belongs to {expected.parent}", file=source.shown)
    if source.pure.name != expected.name:
        yield found("wrong-name", f"belongs into {expected.name}", file=source.shown)


def _trace_place(source: Source, folders: list[str], definition: str) -> Iterator[Finding]:
    """As :func:`_place`; the author's folder may be left out, and a host may follow the name."""
    whole = PurePosixPath(*map(file_part, folders))
    short = PurePosixPath(folders[0], file_part(folders[2]))
    if source.pure.parent not in (whole, short):
        yield found("wrong-folder", f"belongs to {whole}", file=source.shown)
    stem = file_part(definition)
    if not (source.pure.stem == stem or source.pure.stem.startswith(f"{stem}.")):
        yield found("wrong-name", f"belongs into {stem}.jsonl", file=source.shown)


def _ignored(dataset: Dataset, layer: int, root: Path) -> Iterator[Finding]:
    """Files in the four folders that no loader reads."""
    known = {item.path for item in dataset.sources if item.layer == layer}
    for folder in FOLDERS:
        for path in _walk(root / folder):
            source = Source(layer, root, path.relative_to(root).as_posix())
            suffix = path.suffix.lower()
            if source.path in known or suffix in _QUIET:
                continue
            if path.is_symlink() and path.is_dir():
                yield found("ignored-file", "is a link to a folder", file=source.shown)
            elif suffix in (".json", ".jsonl"):
                yield found("ignored-file", _reason(source.pure), file=source.shown)
            elif not any(part.startswith(".") for part in source.pure.parts):
                yield found("stray-file", f"is no document of {folder}/", file=source.shown)


def _reason(path: PurePosixPath) -> str:
    folder = path.parts[0]
    wanted = ".jsonl" if folder in ("workloads", "traces") else ".json"
    if path.suffix != wanted:
        return f"is read by no loader: files of {folder}/ end in {wanted}"
    if any(part.startswith(".") for part in path.parts):
        return "is read by no loader: its name or a folder's begins with a dot"
    return "is read by no loader: it is no regular file"


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder, and links to folders, in the order of their paths."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        here = Path(root)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*files, *links]):
            yield here / name


def _unused_blobs(dataset: Dataset) -> Iterator[Finding]:
    """Files under blob/ that no workload names."""
    used = {
        str(PurePosixPath(item.path))
        for line in dataset.workloads
        for item in line.item.workload.inputs.values()
        if isinstance(item, SafetensorsInput)
    }
    for layer, root in enumerate(dataset.layers):
        for path in _walk(root / "blob"):
            source = Source(layer, root, path.relative_to(root).as_posix())
            hidden = any(part.startswith(".") for part in source.pure.parts)
            if source.path not in used and not hidden and path.suffix not in _QUIET:
                yield found("blob-unused", "no workload names it", file=source.shown)
