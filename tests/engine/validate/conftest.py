"""A dataset of its own for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.validate.samples import Sample


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return Sample(tmp_path / "dataset")
