"""The user's own tools: a text in the pager, a solution's sources in the editor and back again.

A solution is unpacked below the state folder, into a folder of its version. The folder stays, so
that nothing that was written there is ever lost. Knows no widgets.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from engine.build.pack import PackError, config_of, pack, unpack
from engine.schema import SchemaError, Solution, SourceFile
from engine.store import TraceStore, save_solution
from engine.store.filing import file_part
from fitui.where import exact

_TAKE_LINE = (
    *("vi", "vim", "nvim", "view", "gvim", "ex", "nano", "pico", "emacs", "emacsclient", "mg"),
    *("micro", "kak", "joe", "jed", "ne", "mcedit", "less"),
)
"""Programs that begin at a line where ``+NUMBER`` stands before the file."""


class ToolError(LookupError):
    """A tool cannot be used, or ended badly; says what to do about it."""


class Draft(Struct, frozen=True, kw_only=True):
    """A solution as a folder.

    Args:
        folder: With its sources and a config.toml.
        original: What was unpacked.
    """

    folder: Path
    original: Solution

    @property
    def entry(self) -> Path:
        """The file of the entry function."""
        return self.folder / self.original.spec.entry_file


# Tools


def editor_command(environment: Mapping[str, str], file: Path, line: int = 0) -> list[str]:
    """The user's editor on a file.

    Args:
        environment: ``VISUAL``, else ``EDITOR``, names the editor; it may have arguments.
        file: What to open.
        line: Where to begin, from 1; 0 for anywhere.

    Raises:
        ToolError: None is named, or it is not there.
    """
    name = "VISUAL" if environment.get("VISUAL", "").strip() else "EDITOR"
    text = environment.get(name, "").strip()
    if not text:
        raise ToolError("no editor is set: `export EDITOR=vim`, or another, and start again")
    return _command(f"${name}", text, environment, file, line)


def pager_command(environment: Mapping[str, str], file: Path, line: int = 0) -> list[str]:
    """The user's pager on a file: ``PAGER``, else ``less -R``, else ``more``.

    Raises:
        ToolError: What ``PAGER`` names is not there, or there is no pager at all.
    """
    text = environment.get("PAGER", "").strip()
    if text:
        return _command("$PAGER", text, environment, file, line)
    for known in ("less -R", "more"):
        if shutil.which(known.split()[0], path=environment.get("PATH")):
            return _command("the pager", known, environment, file, line)
    raise ToolError("neither less nor more is here: set $PAGER to a program that shows text")


def _command(
    name: str, text: str, environment: Mapping[str, str], file: Path, line: int
) -> list[str]:
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise ToolError(f"{name} is {text!r}, which cannot be read: {error}") from None
    if not parts or shutil.which(parts[0], path=environment.get("PATH")) is None:
        raise ToolError(f"{name} is {text!r}, which is not to be found: set it to another program")
    at = [f"+{line}"] if line and Path(parts[0]).name in _TAKE_LINE else []
    return [*parts, *at, str(file)]


def run_tool(command: Sequence[str], folder: Path) -> None:
    """Run a program on the terminal until it ends. Ctrl-C is the program's alone meanwhile.

    Args:
        command: With its arguments.
        folder: To run it in.

    Raises:
        ToolError: It could not be started, or ended with an error.
    """
    name = Path(command[0]).name
    # A handler, not SIG_IGN: what is ignored stays so in the program.
    former = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        status = subprocess.run(command, cwd=folder).returncode
    except OSError as error:
        raise ToolError(f"{name} could not be started: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, former)
    if status:
        raise ToolError(f"{name} ended with {_status_words(status)}")


def _status_words(status: int) -> str:
    return f"status {status}" if status > 0 else signal.Signals(-status).name


# Drafts


def open_draft(store: TraceStore, state: Path, solution: Solution) -> Draft:
    """Unpack a version of a solution, or find it where it was unpacked before.

    Args:
        store: The dataset.
        state: State folder.
        solution: What to unpack.

    Raises:
        LookupError: Its sources would not come back as they are, or the dataset has no such
            definition.
        OSError: It cannot be written.
    """
    store.definition(solution.definition)
    version = solution.content_hash()[:8]
    folder = state / "edit" / file_part(f"{solution.name}@{version}")
    draft = Draft(folder=folder, original=solution)
    if folder.is_dir():
        return draft
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Under its name only once it is whole.
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        unpack(solution, fresh)
        if not _comes_back(store, Draft(folder=fresh, original=solution)):
            raise ToolError(
                f"{solution.name} would not be the same after it was unpacked and packed again: "
                f"`fitui unpack {solution.name} FOLDER` writes what there is"
            )
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return draft


def _comes_back(store: TraceStore, draft: Draft) -> bool:
    """True where a draft that nobody has touched is the solution that it was made of."""
    try:
        return read_draft(store, draft).solution is None
    except (PackError, SchemaError):
        return False


class Edited(Struct, frozen=True, kw_only=True):
    """What has become of a draft.

    Args:
        solution: None where it is as it was.
        notes: What was left out of it.
    """

    solution: Solution | None
    notes: tuple[str, ...] = ()


def read_draft(store: TraceStore, draft: Draft) -> Edited:
    """Make a solution of a draft again.

    Raises:
        PackError: It is no solution any more, with the reason.
        SchemaError: Likewise.
        OSError: It cannot be read.
    """
    solved = config_of(draft.folder).solution.definition
    known = store.definitions(exact("name", solved), limit=1)
    packed = pack(draft.folder, {row.name: store.definition(row.name) for row in known})
    solution = packed.solution
    found = {source.path for source in solution.sources}
    # Of files of other kinds only those count that were there before.
    others = [
        SourceFile(path=source.path, content=(draft.folder / source.path).read_text("utf-8"))
        for source in draft.original.sources
        if source.path not in found and (draft.folder / source.path).is_file()
    ]
    solution = replace(solution, sources=[*solution.sources, *others])
    same = _comparable(solution) == _comparable(draft.original)
    return Edited(solution=None if same else solution, notes=tuple(packed.notes))


def _comparable(solution: Solution) -> Solution:
    """Without differences that mean nothing."""
    sources = sorted(solution.sources, key=lambda source: source.path)
    return replace(solution, sources=sources, description=solution.description or None)


def save_draft(store: TraceStore, solution: Solution) -> Path:
    """Put a solution into the dataset, in place of its former version, which is kept.

    Returns:
        Its file.

    Raises:
        LookupError: Its definition is not in the dataset.
        OSError: It cannot be written.
    """
    op_type = store.definition(solution.definition).op_type
    return save_solution(store.root, op_type, solution)[0]
