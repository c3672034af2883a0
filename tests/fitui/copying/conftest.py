"""A dataset of which much fails, and what makes texts of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import TraceStore
from fitui.copying.subject import Subject
from fitui.copying.texts import Texts
from tests.fitui.ui.failing_files import write_failing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset."""
    return write_failing(tmp_path / "dataset")


@pytest.fixture
def store(root: Path) -> Iterator[TraceStore]:
    """It, opened."""
    with TraceStore.open(root) as store:
        yield store


@pytest.fixture
def texts(store: TraceStore, tmp_path: Path) -> Texts:
    """Texts of it."""
    return Texts(store, tmp_path / "fitui-state")


def latest(store: TraceStore, solution: str, workload: str = "") -> Subject:
    """The latest trace of a solution as a page has it."""
    where = f"solution={solution}" + (f" workload={workload}" if workload else "")
    row = store.traces(where, limit=1)[0]
    return Subject(
        name=str(row.id),
        trace=row.id,
        definition=row.definition,
        solution=row.solution,
        workload=row.workload,
    )
