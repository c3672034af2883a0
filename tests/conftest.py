"""What every test gets: folders of its own instead of the user's, and a GPU only where one is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="module")
def nothing_stays() -> Iterator[None]:
    """Fails the tests of a file after which something is not as it was for those of the next.

    Two patches of one thing that end in the order in which they began leave the first one there.
    """
    environment, folder = _environment(), Path.cwd()
    yield
    assert _environment() == environment
    assert Path.cwd() == folder
    assert _from_tests() == []


def _environment() -> dict[str, str]:
    # One is pytest's; the other is set once, with the first import of the app.
    leave = ("PYTEST_CURRENT_TEST", "TEXTUAL_FPS")
    return {name: text for name, text in os.environ.items() if name not in leave}


def _from_tests() -> list[str]:
    """What is a test's in the modules that are tested."""
    return [
        f"{name}.{item}"
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in ("engine", "fitui")
        for item, value in list(vars(module).items())
        if str(getattr(value, "__module__", "")).startswith("tests.")
    ]


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
