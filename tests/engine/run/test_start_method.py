"""Whether children are forked or spawned: the environment, else the machine's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.start_method import VARIABLE, choice_file, must_spawn, remember


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("FITUI_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_children_are_forked_unless_somebody_says_otherwise() -> None:
    assert not must_spawn()


@pytest.mark.parametrize(("method", "spawn"), [("spawn", True), ("fork", False)])
def test_the_choice_for_a_machine_is_remembered(method: str, spawn: bool, state: Path) -> None:
    assert remember(method) == choice_file()
    assert choice_file().parent == state
    assert must_spawn() is spawn


@pytest.mark.parametrize(("method", "spawn"), [("spawn", True), ("fork", False), ("", False)])
def test_the_environment_overrules_the_file(
    method: str, spawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember("fork" if spawn else "spawn")
    monkeypatch.setenv(VARIABLE, method)
    assert must_spawn() is spawn
