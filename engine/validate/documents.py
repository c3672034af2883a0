"""The documents of a dataset as they lie in its files, and the lines of its trace files.

Everything is read straight from the files, never from the index: a check must see what is there
now, twice where it is there twice. What cannot be read is a finding among the others. Trace files
may hold millions of lines, and are only walked through.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Generic, NamedTuple, TypeVar

from engine.schema import Definition, Problem, SchemaError, Solution, Trace, decode
from engine.store.dialect import read_line
from engine.store.line_reader import BAD_TEXT
from engine.store.lines import (
    BOM,
    LINE_LIMIT,
    is_lfs_pointer,
    lfs_message,
    open_for_reading,
    read_blocks,
    read_range,
    skip_line,
)
from engine.store.reading import is_young
from engine.store.scan import sweep
from engine.validate.findings import Finding, found, found_problem

T = TypeVar("T", Definition, Solution)


class Source(NamedTuple):
    """A file of the dataset.

    Args:
        layer: Position of its layer.
        root: Folder of the layer.
        path: Relative to the layer.
    """

    layer: int
    root: Path
    path: str

    @property
    def shown(self) -> str:
        """How findings name it: relative in the dataset itself, in full in an overlay."""
        return str(self.root / self.path) if self.layer else self.path

    @property
    def pure(self) -> PurePosixPath:
        """Its path relative to the layer."""
        return PurePosixPath(self.path)


class Document(NamedTuple, Generic[T]):
    """A definition or solution, and its file."""

    source: Source
    item: T


class Line(NamedTuple):
    """A workload or trace, and its line."""

    source: Source
    number: int
    item: Trace


class Dataset(NamedTuple):
    """What was read.

    Args:
        layers: Folders, lowest first.
        definitions: In the order of layers and paths; likewise the others.
        traces: Trace files; their lines are read by :func:`read_lines`.
        sources: Every file of a document, of those that could not be read too.
        unreadable: Folders that could not be listed.
        broken: What could not be read.
        patterns: Which definitions are meant; none for all.
    """

    layers: list[Path]
    definitions: list[Document[Definition]]
    solutions: list[Document[Solution]]
    workloads: list[Line]
    traces: list[Source]
    sources: list[Source]
    unreadable: list[Finding]
    broken: list[Finding]
    patterns: Sequence[str]

    def wants(self, definition: str) -> bool:
        """True where a definition is among those that are meant."""
        patterns = self.patterns
        return not patterns or any(fnmatch.fnmatchcase(definition, item) for item in patterns)

    def may_concern(self, source: Source) -> bool:
        """Whether a file that cannot be read may belong to a definition that is meant."""
        names = (*source.pure.parent.parts, source.pure.stem)
        return any(self.wants(name) for name in names)


def effective(documents: Sequence[Document[T]]) -> dict[str, Document[T]]:
    """The document that counts, by name: the first of those in the highest layer."""
    result: dict[str, Document[T]] = {}
    for document in documents:
        before = result.get(document.item.name)
        if before is None or before.source.layer < document.source.layer:
            result[document.item.name] = document
    return result


def read_dataset(layers: Sequence[Path], patterns: Sequence[str] = ()) -> Dataset:
    """Read definitions, solutions and workloads, and list the trace files.

    Args:
        layers: Folders of the dataset, lowest first.
        patterns: Names of definitions, with ``*``; none for all. What belongs to another
            definition is left out.

    Raises:
        FileNotFoundError: The lowest layer is no dataset.
    """
    seen = sweep(layers)
    if reason := seen.unreadable.pop((0, b""), ""):
        raise FileNotFoundError(f"{layers[0]} is no dataset: {reason}")
    dataset = Dataset(list(layers), [], [], [], [], [], [], [], patterns)
    for (layer, folder), reason in sorted(seen.unreadable.items()):
        place = Source(layer, layers[layer], os.fsdecode(folder)).shown
        dataset.unreadable.append(found("folder-unreadable", reason, file=place))
    for (layer, path), file in sorted(seen.files.items()):
        source = Source(layer, layers[layer], os.fsdecode(path))
        if file.kind == "traces":
            dataset.traces.append(source)
            dataset.sources.append(source)
        elif _read(dataset, source, file.kind):
            dataset.sources.append(source)
    return dataset


def _read(dataset: Dataset, source: Source, kind: str) -> bool:
    """Read one file.

    Returns:
        True where it belongs to a definition that is meant.
    """
    if kind == "workloads":
        return _read_workloads(dataset, source)
    try:
        data = _content(source)
        if kind == "definitions":
            definition = decode(data, Definition)
            if meant := dataset.wants(definition.name):
                dataset.definitions.append(Document(source, definition))
        else:
            solution = decode(data, Solution)
            if meant := dataset.wants(solution.definition):
                dataset.solutions.append(Document(source, solution))
    except (SchemaError, UnicodeEncodeError) as error:
        if meant := dataset.may_concern(source):
            check = f"{kind.removesuffix('s')}-unreadable"
            dataset.broken.append(found_problem(check, _problem(error), source.shown))
    return meant


def _read_workloads(dataset: Dataset, source: Source) -> bool:
    meant = True  # a file without lines is everybody's
    for number, line in enumerate(read_lines(source, "workload")):
        meant = meant and number > 0
        if isinstance(line, Finding):
            if dataset.may_concern(source):
                dataset.broken.append(line)
                meant = True
        elif dataset.wants(line.item.definition):
            dataset.workloads.append(line)
            meant = True
    return meant


def _problem(error: SchemaError | UnicodeEncodeError) -> Problem:
    return error.problem if isinstance(error, SchemaError) else Problem(message=BAD_TEXT)


def _content(source: Source) -> bytes:
    """The bytes of a JSON document.

    Raises:
        SchemaError: It cannot be read, or is no document.
    """
    try:
        descriptor = open_for_reading(source.root / source.path)
        try:
            size = os.fstat(descriptor).st_size
            data = b"" if size > LINE_LIMIT else read_range(descriptor, 0, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SchemaError(Problem(message=f"cannot be read: {error.strerror}")) from None
    if size > LINE_LIMIT:
        raise SchemaError(Problem(message=f"longer than {LINE_LIMIT >> 20} MiB"))
    if is_lfs_pointer(data):
        raise SchemaError(Problem(message=lfs_message(source.path)))
    return data.removeprefix(BOM)


def read_lines(source: Source, kind: str) -> Iterator[Line | Finding]:
    """The lines of a JSONL file, and what is wrong with them.

    Args:
        source: The file.
        kind: "workload" or "trace".
    """
    bad = f"{kind}-unreadable"
    try:
        descriptor = open_for_reading(source.root / source.path)
    except OSError as error:
        yield found(bad, f"cannot be read: {error.strerror}", file=source.shown)
        return
    labelled: set[str] = set()
    try:
        status = os.fstat(descriptor)
        for number, data in _split(descriptor, status.st_size):
            if data is None:
                message = f"longer than {LINE_LIMIT >> 20} MiB"
                yield found(bad, message, file=source.shown, line=number)
                continue
            if number == 1 and is_lfs_pointer(data):
                yield found(bad, lfs_message(source.path), file=source.shown)
                return
            if not data.removeprefix(BOM).strip():
                continue
            try:
                item, labels = read_line(data, number)
                _demand_kind(item, kind)
            except (SchemaError, UnicodeEncodeError) as error:
                problem = _problem(error)
                if data.endswith(b"\n"):
                    yield found_problem(bad, problem, source.shown, number)
                elif not is_young(status):  # else it may still be being written
                    message = f"the last line breaks off: {problem.message}"
                    yield found(bad, message, file=source.shown, line=number)
                continue
            for label in labels:
                if label.message not in labelled:
                    labelled.add(label.message)
                    yield found_problem(f"{kind}-outdated", label, source.shown, number)
            yield Line(source, number, item)
    finally:
        os.close(descriptor)


def _split(descriptor: int, size: int) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines with their newlines; None for one that is too long."""
    start = number = 0
    while True:
        for offset, block in read_blocks(descriptor, start, size):
            if block is None:
                break
            for part in _parts(block):
                number += 1
                yield number, part
            start = offset + len(block)
        else:
            return
        number += 1
        yield number, None
        beyond = skip_line(descriptor, start, size, 0)
        if beyond is None:
            return
        start = beyond[0]


def _parts(block: bytes) -> list[bytes]:
    """Lines with their newlines; carriage returns are no ends of lines."""
    parts = [part + b"\n" for part in block.split(b"\n")]
    last = parts.pop()
    return parts if last == b"\n" else [*parts, last[:-1]]


def _demand_kind(item: Trace, kind: str) -> None:
    """Refuse what does not belong into this kind of file.

    Raises:
        SchemaError: It is an evaluation among workloads, or no whole evaluation among traces.
    """
    message = ""
    if kind == "workload":
        message = "" if item.is_workload else "an evaluation belongs under traces/"
    elif item.is_workload:
        message = "a workload without an evaluation belongs under workloads/"
    elif not item.solution:
        message = "an evaluation needs a solution"
    elif item.evaluation is None:
        message = "has a solution but no evaluation"
    if message:
        raise SchemaError(Problem(message=message))
