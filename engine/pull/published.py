"""What is published, and which of it is wanted: a choice among paths, without any file's content.

The published layout is the one that ``docs/schema.md`` gives. Reading a dataset never infers an
author, an operator or a definition from a path; choosing what to fetch has nothing else to go by.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from msgspec import Struct

from engine.store.layers import FOLDERS

_PAPERS = ("LICENSE", "NOTICE", "README")
"""Files beside the folders that belong to every choice: what is fetched keeps its terms."""


class PullError(OSError):
    """Something could not be fetched; prints as a sentence.

    Attributes:
        final: Trying the next file would fail the same way.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class PublishedFile(Struct, frozen=True):
    """A file of a published dataset at one commit.

    Args:
        path: Relative to the dataset, as it is published; not yet known to be harmless.
        size: In bytes.
        oid: Hash of its content: the 40 digits of Git's blob id or, where the file is in Git LFS,
            the 64 digits of a SHA-256.
    """

    path: str
    size: int
    oid: str


class Place(NamedTuple):
    """What a document's path says of it; "" where the published layout says nothing."""

    kind: str = ""
    author: str = ""
    op_type: str = ""
    definition: str = ""

    @classmethod
    def of(cls, path: str) -> Place:
        """The place of a path; only ``kind`` is set where the layout says no more."""
        match path.split("/"):
            case ["definitions" | "workloads" as kind, op_type, name]:
                return cls(kind, "", op_type, PurePosixPath(name).stem)
            case ["solutions", author, op_type, definition, _]:
                return cls("solutions", author, op_type, definition)
            case ["traces", author, op_type, name]:
                return cls("traces", author, op_type, PurePosixPath(name).stem)
            case [kind, _, *_] if kind in FOLDERS:
                return cls(kind)
        return cls()


class Selection(Struct, frozen=True, kw_only=True):
    """Which documents of a dataset; all of them where nothing is named.

    Args:
        op_types: Names or patterns of operators.
        definitions: Names or patterns of definitions.
        authors: Names or patterns of authors of solutions: their solutions and traces, and the
            definitions and workloads that these are about.
    """

    op_types: Sequence[str] = ()
    definitions: Sequence[str] = ()
    authors: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        """True where nothing is left out."""
        return not (self.op_types or self.definitions or self.authors)


class Choice(NamedTuple):
    """What a selection means.

    Args:
        files: Documents, and the dataset's own papers.
        misplaced: Documents whose path does not say what they are, so that only a whole pull
            fetches them.
    """

    files: list[PublishedFile]
    misplaced: int


def choose(files: Iterable[PublishedFile], selection: Selection) -> Choice:
    """The documents that a selection means.

    Raises:
        PullError: It names something that is not published, or means nothing.
    """
    placed = [(file, Place.of(file.path)) for file in files if not _is_hidden(file.path)]
    papers = [file for file, _ in placed if _is_paper(file.path)]
    documents = [(file, place) for file, place in placed if place.kind]
    if selection.whole:
        return Choice(papers + [file for file, _ in documents], 0)
    known = [(file, place) for file, place in documents if place.definition]
    op_types = _names("operator", selection.op_types, {place.op_type for _, place in known})
    definitions = _names("definition", selection.definitions, {at.definition for _, at in known})
    authors = _names("author", selection.authors, {place.author for _, place in known} - {""})
    wanted = [
        (file, place)
        for file, place in known
        if place.op_type in op_types and place.definition in definitions
    ]
    if selection.authors:
        about = {place.definition for _, place in wanted if place.author in authors}
        wanted = [
            (file, place)
            for file, place in wanted
            if (place.author in authors if place.author else place.definition in about)
        ]
    if not wanted:
        raise PullError("Nothing is published that is of this operator, definition and author")
    return Choice(papers + [file for file, _ in wanted], len(documents) - len(known))


def _names(what: str, wanted: Sequence[str], published: set[str]) -> set[str]:
    """Names that texts mean: exact, or patterns with ``*``; all where there is no text."""
    if not wanted:
        return published
    found: set[str] = set()
    for text in wanted:
        matches = fnmatch.filter(published, text)
        if not matches:
            close = difflib.get_close_matches(text, sorted(published), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise PullError(f"There is no {what} {text!r} in what is published{hint}")
        found.update(matches)
    return found


def _is_hidden(path: str) -> bool:
    return PurePosixPath(path).name.startswith(".")


def _is_paper(path: str) -> bool:
    return "/" not in path and path.upper().startswith(_PAPERS)
