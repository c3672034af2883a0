"""Every command of the registry, pressed by each of its keys where it is valid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fitui.command_table import COMMANDS
from tests.engine.run.fake_nvml import FakeGpu, machine
from tests.fitui.ui import (
    command_cases,
    command_cases_acting,
    command_cases_copying,
    command_cases_tables,
)
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.covers import CASES, Stage
from tests.fitui.ui.failing_files import write_failing
from tests.fitui.ui.tiny_files import FakeRun

MODULES = (command_cases, command_cases_acting, command_cases_copying, command_cases_tables)
PRESSES = [(command.id, key) for command in COMMANDS for key in command.keys]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset of which much fails."""
    return write_failing(tmp_path / "dataset")


@pytest.fixture
def live(state: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """A run whose runner seems to be alive."""
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: True)
    run = FakeRun(state, root)
    run.begin()
    return run


@contextlib.contextmanager
def gpus(folder: Path) -> Iterator[None]:
    """A machine with two GPUs that nobody uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.run.locks.SHARED", folder)
        with machine(FakeGpu("GPU-aaaa"), FakeGpu("GPU-bbbb")):
            yield


def test_every_command_has_a_case() -> None:
    names = " and ".join(module.__name__.rpartition(".")[2] for module in MODULES)
    ids = {command.id for command in COMMANDS}
    assert not ids - set(CASES), f"in {names}, write @covers for {sorted(ids - set(CASES))}"
    assert not set(CASES) - ids, f"in {names}, take out {sorted(set(CASES) - ids)}"


@pytest.mark.parametrize(("name", "key"), PRESSES)
async def test_a_command_does_what_it_says(
    start: Start, name: str, key: str, root: Path, state: Path, request: pytest.FixtureRequest
) -> None:
    case = CASES[name]
    run: FakeRun | None = request.getfixturevalue("live") if case.run else None
    with gpus(state.parent) if case.gpus else contextlib.nullcontext():
        async with start(case.view, size=case.size) as driver:
            await driver.until(lambda: not driver.bench.session.store.indexing)
            await case.play(Stage(driver, key, name, root, state, run))
