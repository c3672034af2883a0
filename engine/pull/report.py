"""What became of a pull, file by file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct, field

from engine.pull.published import PublishedFile


class State(StrEnum):
    """What became of a file."""

    FETCHED = "fetched"
    PRESENT = "present"
    KEPT = "kept"
    """Somebody has changed it here, so it was not touched."""
    FAILED = "failed"
    LEFT = "left"
    """Not tried, since the pull had to stop."""


class Outcome(Struct, frozen=True):
    """What became of one file.

    Args:
        path: As it is published.
        state: What became of it.
        size: In bytes, as published.
        reason: Why it failed.
    """

    path: str
    state: State
    size: int
    reason: str = ""


class Report(Struct, kw_only=True):
    """What became of a pull.

    Args:
        repo: ``owner/name``.
        commit: What was pulled.
        folder: Where to.
        dry_run: Nothing was put there; ``FETCHED`` means that it would be.
        outcomes: One for each file that is wanted.
        withdrawn: Files that were pulled once and are no longer published; they stay.
        misplaced: Published documents whose path does not say what they are.
        problems: What was asked for and cannot be had, besides failed files.
        blobs_left: Tensor files that workloads here need and that were not asked for.
        stopped: Why it ended early, or "".
    """

    repo: str
    commit: str
    folder: Path
    dry_run: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    misplaced: int = 0
    problems: list[str] = field(default_factory=list)
    blobs_left: list[PublishedFile] = field(default_factory=list)
    stopped: str = ""

    def of(self, *states: State) -> list[Outcome]:
        """The files of which one of these became, in the order of their paths."""
        found = [outcome for outcome in self.outcomes if outcome.state in states]
        return sorted(found, key=lambda outcome: outcome.path)

    @property
    def complete(self) -> bool:
        """True if all that was asked for is here."""
        return not (self.stopped or self.problems or self.of(State.FAILED))
