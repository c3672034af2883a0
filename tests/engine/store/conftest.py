"""Fixtures of the store's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.store.store_samples import Dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.small(tmp_path / "data")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as quiet at once, as if two seconds had passed since they were written."""
    monkeypatch.setattr("engine.store.reading.QUIET_SECONDS", 0.0)
