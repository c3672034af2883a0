"""A small hub with a small dataset, and a folder to pull it into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.pull.small_dataset import small_files
from tests.engine.pull.small_hub import HOSTS, SmallHub


@pytest.fixture
def files() -> dict[str, bytes]:
    return small_files()


@pytest.fixture
def small_hub(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    # A proxy of this machine would not find a server on loopback.
    monkeypatch.setenv("NO_PROXY", ",".join(HOSTS))
    with SmallHub() as hub:
        hub.publish(files)
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
