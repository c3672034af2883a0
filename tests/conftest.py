"""What every test gets: folders of its own instead of the user's, and a GPU only where one is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State, cache and data below the test's temporary folder; no dataset from outside."""
    for name in ("STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"FITUI_{name}", str(tmp_path / f"fitui-{name.lower()}"))
    # Else a benchmark of somebody else on this machine would be waited for.
    monkeypatch.setenv("FITUI_LOCKS", str(tmp_path))
    # A runner that lingers would be one for each test.
    monkeypatch.setenv("FITUI_LINGER_S", "0")
    monkeypatch.setenv("FITUI_CONFIG", str(tmp_path / "fitui-config.toml"))
    monkeypatch.delenv("FIB_DATASET_PATH", raising=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option for tests that hold something against what is kept beside them."""
    parser.addoption("--snapshot-update", action="store_true", help="keep the pictures as they are")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs a GPU where there is none."""
    if Path("/dev/nvidiactl").exists():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
