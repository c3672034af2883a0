"""The user's tools, and a solution that goes through an editor."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.build.pack import CONFIG, PackError
from engine.schema import SchemaError
from engine.store import TraceStore
from fitui import editing
from fitui.editing import Draft, ToolError
from tests.fitui.ui.tiny_files import solution, write, write_dataset


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    """The tiny dataset."""
    with TraceStore.open(write_dataset(tmp_path / "dataset")) as store:
        yield store


@pytest.fixture
def draft(store: TraceStore, tmp_path: Path) -> Draft:
    """One of its solutions as a folder."""
    return editing.open_draft(store, tmp_path / "state", store.solution("fast"))


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, str]:
    """An environment with programs of some names that do nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("vim", "code", "less", "more"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


# Which tool


def test_the_editor_is_visual_then_editor(tools: dict[str, str]) -> None:
    file = Path("/x y/main.py")
    both = {**tools, "VISUAL": "code --wait", "EDITOR": "vim"}
    assert editing.editor_command(both, file, 3) == ["code", "--wait", "/x y/main.py"]
    assert editing.editor_command({**tools, "EDITOR": "vim -n", "VISUAL": " "}, file, 3) == [
        *("vim", "-n", "+3", "/x y/main.py")
    ]
    assert editing.editor_command({**tools, "EDITOR": "vim"}, file) == ["vim", "/x y/main.py"]


def test_without_an_editor_it_is_said_what_to_set(tools: dict[str, str]) -> None:
    with pytest.raises(ToolError, match=r"no editor is set: `export EDITOR=vim`"):
        editing.editor_command(tools, Path("x"))
    with pytest.raises(ToolError, match=r"\$EDITOR is 'nowhere -x', which is not to be found"):
        editing.editor_command({**tools, "EDITOR": "nowhere -x"}, Path("x"))
    with pytest.raises(ToolError, match=r"\$VISUAL is .* cannot be read"):
        editing.editor_command({**tools, "VISUAL": "vim 'x"}, Path("x"))


def test_the_pager_is_the_users_then_less_then_more(tools: dict[str, str], tmp_path: Path) -> None:
    file = Path("log")
    assert editing.pager_command({**tools, "PAGER": "more -s"}, file) == ["more", "-s", "log"]
    assert editing.pager_command(tools, file, 7) == ["less", "-R", "+7", "log"]
    (tmp_path / "bin/less").unlink()
    assert editing.pager_command(tools, file, 7) == ["more", "log"]
    (tmp_path / "bin/more").unlink()
    with pytest.raises(ToolError, match=r"set \$PAGER"):
        editing.pager_command(tools, file)


def test_a_tool_that_fails_says_how(tmp_path: Path) -> None:
    editing.run_tool(["sh", "-c", "true"], tmp_path)
    with pytest.raises(ToolError, match="sh ended with status 3"):
        editing.run_tool(["sh", "-c", "exit 3"], tmp_path)
    with pytest.raises(ToolError, match="sh ended with SIGTERM"):
        editing.run_tool(["sh", "-c", "kill $$"], tmp_path)


def test_ctrl_c_is_the_tools_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    # To the parent, as a terminal does it, before the tool ends by itself.
    editing.run_tool(["sh", "-c", f"kill -INT {os.getpid()}; exit 0"], tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


# There and back


def test_a_draft_that_was_not_touched_is_the_same_solution(
    store: TraceStore, draft: Draft, tmp_path: Path
) -> None:
    version = draft.original.content_hash()[:8]
    assert draft.folder == tmp_path / f"state/edit/fast@{version}"
    assert draft.entry.read_text() == draft.original.sources[0].content
    assert editing.read_draft(store, draft).solution is None
    assert [item.name for item in draft.folder.parent.iterdir()] == [draft.folder.name]


def test_what_was_changed_becomes_a_new_version_and_the_old_one_is_kept(
    store: TraceStore, draft: Draft
) -> None:
    draft.entry.write_text(draft.entry.read_text() + "# faster\n")
    edited = editing.read_draft(store, draft).solution
    assert edited is not None and edited.author == "me"
    path = editing.save_draft(store, edited)
    store.refresh()
    assert path == store.root / "solutions/me/pointwise/double_h8/fast.json"
    assert store.solution("fast") == edited
    assert store.solution("fast", draft.original.content_hash()) == draft.original


def test_new_files_come_along_and_other_kinds_stay(store: TraceStore, tmp_path: Path) -> None:
    document = solution("mixed")
    document["sources"].append({"path": "code/kernel.ptx", "content": ".version 8.0\n"})
    write(store.root / "solutions/me/pointwise/double_h8/mixed.json", document)
    store.refresh()
    draft = editing.open_draft(store, tmp_path / "state", store.solution("mixed"))
    (draft.folder / "code/kernel.ptx").write_text(".version 8.1\n")
    (draft.folder / "more.py").write_text("X = 1\n")
    (draft.folder / "main.py~").write_text("a backup\n")
    edited = editing.read_draft(store, draft).solution
    assert edited is not None
    assert {source.path: source.content[:12] for source in edited.sources} == {
        "main.py": "# mixed\ndef ",
        "more.py": "X = 1\n",
        "code/kernel.ptx": ".version 8.1",
    }


def test_what_was_written_is_found_again(store: TraceStore, draft: Draft, tmp_path: Path) -> None:
    draft.entry.write_text("def broken(\n")
    again = editing.open_draft(store, tmp_path / "state", draft.original)
    assert again == draft and again.entry.read_text() == "def broken(\n"


def test_what_is_no_solution_any_more_says_why(store: TraceStore, draft: Draft) -> None:
    draft.entry.unlink()
    with pytest.raises(PackError, match="holds no sources"):
        editing.read_draft(store, draft)
    (draft.folder / "other.py").write_text("def run(x, y): ...\n")
    with pytest.raises(SchemaError, match="not among the sources"):
        editing.read_draft(store, draft)
    (draft.folder / CONFIG).write_text("[solution\n")
    with pytest.raises(PackError, match=CONFIG):
        editing.read_draft(store, draft)


def test_another_name_makes_another_solution(store: TraceStore, draft: Draft) -> None:
    config = draft.folder / CONFIG
    config.write_text(config.read_text().replace('name = "fast"', 'name = "faster"'))
    edited = editing.read_draft(store, draft).solution
    assert edited is not None
    path = editing.save_draft(store, edited)
    store.refresh()
    assert json.loads(path.read_text())["name"] == "faster"
    assert store.solution("fast") == draft.original


def test_what_would_not_come_back_is_not_unpacked(store: TraceStore, tmp_path: Path) -> None:
    document = solution("nested")
    document["sources"].append({"path": "solution/other.py", "content": "X = 1\n"})
    write(store.root / "solutions/me/pointwise/double_h8/nested.json", document)
    store.refresh()
    with pytest.raises(ToolError, match="`fitui unpack nested FOLDER`"):
        editing.open_draft(store, tmp_path / "state", store.solution("nested"))
    assert list((tmp_path / "state/edit").iterdir()) == []
