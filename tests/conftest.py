"""What every test gets: folders of its own instead of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State, cache and data below the test's temporary folder; no dataset from outside."""
    for name in ("STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"FITUI_{name}", str(tmp_path / f"fitui-{name.lower()}"))
    monkeypatch.delenv("FIB_DATASET_PATH", raising=False)
