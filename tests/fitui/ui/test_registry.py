"""The registry of commands, and what is made from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fitui import commands
from fitui.command_table import COMMANDS, SCOPES
from fitui.screens.pages import PAGES
from fitui.screens.workbench import Workbench
from fitui.widgets.matrix import Matrix
from fitui.widgets.table import VirtualTable
from fitui.widgets.text import TextView

REPOSITORY = Path(__file__).resolve().parents[3]


def test_every_command_has_a_handler() -> None:
    owners = [*PAGES.values(), VirtualTable, Matrix, TextView, Workbench]
    for command in COMMANDS:
        assert any(hasattr(owner, f"do_{command.id}") for owner in owners), command.id


def test_every_scope_is_explained() -> None:
    used = {scope for command in COMMANDS for scope in command.scopes}
    assert used == set(SCOPES)


def test_ids_are_unique() -> None:
    ids = [command.id for command in COMMANDS]
    assert len(ids) == len(set(ids))


def test_a_key_means_one_thing_in_one_place() -> None:
    for scopes in ({"app", "rows", "columns", "filter"}, {"app", "text", "search", "tabs"}):
        keys = [key for command in commands.valid(scopes) for key in command.keys]
        assert len(keys) == len(set(keys))


def test_the_document_of_keys_is_fresh() -> None:
    written = (REPOSITORY / "docs/keys.md").read_text()
    assert written == commands.keys_document(), "run python -m fitui.commands > docs/keys.md"


def test_the_app_imports_no_torch_and_no_numpy() -> None:
    code = (
        "import sys, fitui.app, fitui.screens.pages;"
        "print([name for name in ('torch', 'numpy', 'triton', 'pygments.lexers.python')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout.strip() == "[]"
