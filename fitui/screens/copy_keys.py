"""``y``: a line of what can be copied here, of which a second key chooses; ``o``: the user's tools.

Texts are made on a thread; the terminal's clipboard is written to on the loop.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import on
from textual.app import SuspendNotSupported
from textual.message import Message

from engine.run.plan import find_solution
from engine.schema import Problem, SchemaError, Solution
from fitui import commands, editing
from fitui import format as form
from fitui.command_table import Command
from fitui.copying.subject import Subject
from fitui.format import clean, clean_lines
from fitui.screens.frame import FAULTS, Frame, error_words
from fitui.screens.targets import solution_target
from fitui.widgets.lines import Span

if TYPE_CHECKING:
    # Imported where it is needed, since nothing of it is for the first frame.
    from fitui.copying.clipboard import Delivery
    from fitui.copying.texts import Copy, Texts

SCOPE = "copying"
"""Of the commands that choose what to copy."""


class Copied(Message):
    """A text was copied, or could not be made."""

    def __init__(self, delivery: Delivery | None, problem: str = "") -> None:
        super().__init__()
        self.delivery = delivery
        self.problem = problem


class CopyKeys(Frame, inherit_bindings=False):
    """The part of the screen that gets things out of it."""

    _choosing: Subject | None = None
    _copier: ThreadPoolExecutor | None = None

    @property
    def choosing(self) -> bool:
        """True while the line of what can be copied is open."""
        return self._choosing is not None

    def scopes(self) -> set[str]:
        """While the line is open, its keys only."""
        return {SCOPE} if self.choosing else super().scopes()

    def listed(self) -> list[Command]:
        """Commands that are valid now, and those that come after ``y``, with both keys."""
        found = commands.valid(self.scopes())
        copy = next((item for item in found if item.id == "copy"), None)
        if copy is None:
            return found
        first = commands.shown_key(copy.keys[0])
        after = [
            replace(item, title=f"copy {item.title}", keys=(f"{first} {item.keys[0]}",), footer=0)
            for item in commands.valid({SCOPE})
            if item.id != "copy_leave"
        ]
        return [*found, *after]

    def do_copy(self) -> None:
        """Open the line of what can be copied."""
        self._choosing = self.page.subject()

    def choose(self, key: str) -> None:
        """Take the second key; one that means nothing leaves the line open."""
        command = commands.for_key(key, {SCOPE})
        if command is None or self._choosing is None:
            return
        self.perform(command.id)
        self._choosing = None
        self.refresh_chrome()

    def _show_status(self) -> None:
        if self._choosing is None:
            super()._show_status()
            return
        spans: list[Span] = [(" copy", "warn")]
        for command in commands.valid({SCOPE}):
            if command.id in _offered(self._choosing, table=self._has_table):
                key = commands.shown_key(command.keys[0])
                spans += [(f"  {key}", "accent"), (f" {command.title}", "")]
        self.status.show(spans)

    @property
    def _has_table(self) -> bool:
        widget = {"table": self.table, "matrix": self.matrix}.get(self.page.body)
        return widget is not None and widget.source.row_count > 0

    def do_copy_leave(self) -> None:
        """Copy nothing."""

    def do_copy_name(self) -> None:
        """Name or id."""
        self._copy(lambda texts, subject: texts.name(subject))

    def do_copy_command(self) -> None:
        """The command that repeats it."""
        self._copy(lambda texts, subject: texts.command(subject))

    def do_copy_error(self) -> None:
        """Why it failed."""
        self._copy(lambda texts, subject: texts.error(subject))

    def do_copy_path(self) -> None:
        """Where it lies."""
        self._copy(lambda texts, subject: texts.path(subject))

    def do_copy_json(self) -> None:
        """Its document."""
        self._copy(lambda texts, subject: texts.json(subject))

    def do_copy_source(self) -> None:
        """The sources of the solution."""
        self._copy(lambda texts, subject: texts.source(subject))

    def do_copy_brief(self) -> None:
        """What an agent needs to mend it."""
        self._copy(lambda texts, subject: texts.brief(subject))

    def do_copy_table(self) -> None:
        """The view as Markdown."""
        make = self.page.markdown()
        if make is None:
            self.say("there is no table here", "warn")
        else:
            from fitui.copying.texts import Copy

            self._deliver(lambda: Copy(make(), "table"))

    def _copy(self, make: Callable[[Texts, Subject], Copy]) -> None:
        subject, texts = self._choosing or self.page.subject(), self._texts()
        self._deliver(lambda: make(texts, subject))

    def _texts(self) -> Texts:
        from fitui.copying.texts import Texts

        session = self.session
        return Texts(session.store, session.state, session.runs)

    def _deliver(self, make: Callable[[], Copy]) -> None:
        """Make a text and take it where it goes, one after the other, on a thread."""
        if self._copier is None:
            self._copier = ThreadPoolExecutor(1, "fitui-copy")
        state = self.session.state

        def work() -> None:
            from fitui.copying.clipboard import deliver

            try:
                told = Copied(deliver(make(), state, os.environ))
            except FAULTS as error:
                told = Copied(None, error_words(error))
            except Exception as error:  # A text that cannot be made must not end the program.
                told = Copied(None, f"{type(error).__name__}: {error}")
            with suppress(RuntimeError):  # The screen has just gone.
                self.post_message(told)

        self._copier.submit(work)

    def perform(self, name: str) -> None:
        """Do a command."""
        raise NotImplementedError

    @on(Copied)
    def copied(self, message: Copied) -> None:
        """Tell the terminal, and say where the text is."""
        delivery = message.delivery
        if delivery is None:
            self.say(clean(f"nothing was copied: {message.problem}"), "warn")
            return
        if delivery.text:
            self.app.copy_to_clipboard(delivery.text)
        self.say(clean(delivery.sentence), "warn" if delivery.problem else "")

    # The user's tools

    def do_elsewhere(self) -> None:
        """Open what is under the cursor in the pager, or a solution in the editor."""
        subject = self.page.subject()
        try:
            if subject.solution and (subject.edits or subject.kind == "solution"):
                self._edit(find_solution(self.session.store, subject.solution), subject.at)
            else:
                self._page(subject)
        except SuspendNotSupported:
            self.say("this terminal cannot be handed to another program", "warn")

    def _page(self, subject: Subject) -> None:
        """Show a text in the pager.

        Raises:
            LookupError: There is none, or no pager.
        """
        path, _colon, line = subject.file.rpartition(":")
        if subject.file and not subject.kind:
            file = Path(path if line.isdigit() else subject.file)
            number = int(line) if line.isdigit() else 0
            command = editing.pager_command(self._tools, file, number)
            self._run(command, file.parent)
            return
        copy = self._texts().reading(subject)
        with tempfile.TemporaryDirectory(prefix="fitui-") as folder:
            file = Path(folder) / copy.what
            file.write_text("\n".join(clean_lines(copy.text)) + "\n", "utf-8", "replace")
            self._run(editing.pager_command(self._tools, file), Path(folder))

    @property
    def _tools(self) -> dict[str, str]:
        """The environment, with the pager and the editor of the settings."""
        return self.session.settings.config.tools(os.environ)

    def _run(self, command: list[str], folder: Path) -> None:
        """Hand the terminal over.

        Raises:
            ToolError: The program could not be started, or ended with an error.
        """
        problem: editing.ToolError | None = None
        with self.app.suspend():
            # An exception in here would leave the terminal without the program.
            try:
                editing.run_tool(command, folder)
            except editing.ToolError as error:
                problem = error
        if problem is not None:
            raise problem

    def _edit(self, solution: Solution, at: str = "") -> None:
        """Open a solution in the editor; ask what to do with what was changed.

        Raises:
            LookupError: There is no editor, or it ended badly; says where the sources are.
        """
        store = self.session.store
        draft = editing.open_draft(store, self.session.state, solution)
        path, _colon, line = at.rpartition(":")
        file = draft.folder / path if path else draft.entry
        try:
            number = int(line) if line.isdigit() else 0
            command = editing.editor_command(self._tools, file, number)
            self._run(command, draft.folder)
            edited = editing.read_draft(store, draft)
        except (editing.ToolError, LookupError, SchemaError, OSError) as error:
            where = form.path(draft.folder)
            raise editing.ToolError(f"{_problem_words(error)}; not saved: {where}") from None
        if edited.solution is None:
            self.say(f"nothing was changed in {form.path(draft.folder)}")
        else:
            self._ask_to_save(edited.solution, draft)

    def _ask_to_save(self, solution: Solution, draft: editing.Draft) -> None:
        what = f"save {clean(solution.name)} as a new version"
        if solution.name != draft.original.name:
            what = f"save it as {clean(solution.name)}, another solution"
        kept = f"not saved; o opens it again: {form.path(draft.folder)}"
        self.ask(f"{what}?", lambda: self._save(solution), lambda: self.say(kept))

    def _save(self, solution: Solution) -> None:
        path = editing.save_draft(self.session.store, solution)
        # At once: a run is planned by what the index says.
        self.session.store.refresh([path])
        self.session.reload()
        name = f"{solution.name}@{solution.content_hash()[:8]}"
        target = solution_target(solution.definition, solution.name)
        self.ask(
            f"saved {clean(name)}; run it on all workloads?",
            lambda: self.start_run(target, again=True),
            lambda: self.say(f"saved {clean(name)}: {form.path(path)}"),
        )


def _offered(subject: Subject, *, table: bool) -> set[str]:
    """Ids of the commands that find something to copy."""
    known = subject.kind
    found = {"copy_table": table, "copy_name": bool(subject.name)}
    found["copy_command"] = bool(subject.command or known)
    found["copy_error"] = bool(subject.error or known == "trace")
    found["copy_path"] = bool(subject.file or known)
    found["copy_json"] = bool(known)
    found["copy_source"] = bool(subject.solution or subject.definition or known == "trace")
    found["copy_brief"] = bool(subject.solution or known == "trace")
    return {name for name, there in found.items() if there}


def _problem_words(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    if isinstance(problem, Problem):
        return problem.message
    return error_words(error)
