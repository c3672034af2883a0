"""Definitions: the home of this version. One row per definition, Enter goes in, ``r`` runs all."""

from __future__ import annotations

from typing import Any

from engine.store import DefinitionRow
from fitui import commands
from fitui.first_use import no_definitions
from fitui.format import clean
from fitui.run_view import Target
from fitui.screens.previews import definition_preview
from fitui.screens.store_fields import DEFINITION_FIELDS
from fitui.screens.store_list import StoreTab
from fitui.screens.targets import definition_target, marked_definitions
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.text import Lines


class DefinitionsPage(StoreTab):
    """Every definition and how its solutions do."""

    kind = "definitions"
    fields = DEFINITION_FIELDS
    noun = "definition"
    previews = True

    def base(self) -> str:
        """All of them."""
        return ""

    def key_of(self, row: Any) -> str:
        """Name."""
        return str(row.name)

    def mark_group(self) -> str:
        """Of definitions."""
        return ":definitions"

    def marked_target(self, keys: list[str]) -> Target | None:
        """All solutions of the marked ones."""
        return marked_definitions(keys)

    def preview_of(self, row: Any) -> Lines:
        """What it computes, and how its solutions do."""
        return definition_preview(self.session.store, row)

    def empty(self) -> list[str]:
        """What to do about an empty dataset."""
        session = self.session
        return no_definitions(session.store, session.layers, commands.key_of("go_problems"))

    def _row(self) -> DefinitionRow | None:
        row = self.current()
        return row if isinstance(row, DefinitionRow) else None

    def opened(self) -> View | None:
        """The definition under the cursor."""
        row = self._row()
        return View("definition", row.name) if row else None

    def definition(self) -> str:
        """The definition under the cursor."""
        row = self._row()
        return row.name if row else ""

    def target(self) -> Target | None:
        """All solutions of the definition under the cursor."""
        row = self._row()
        return definition_target(row.name, row.n_solutions) if row and row.n_solutions else None

    def targets(self) -> list[Target]:
        """The marked ones, or that under the cursor."""
        return self.with_marked(super().targets())

    def hint(self) -> list[Span]:
        """Description of the definition under the cursor."""
        row = self._row()
        if row is None:
            return []
        if not row.n_solutions:
            return [(" no solutions yet: put one under solutions/, as the bundled ones", "warn")]
        best = f"   best: {clean(row.best_solution)}" if row.best_solution else ""
        return [(f" {clean(row.description)}{best}", "dim")]

    def scopes(self) -> set[str]:
        """With failures to jump to."""
        return super().scopes() | {"failures"}

    def is_failure(self, row: object) -> bool:
        """A definition with a failed pair."""
        return isinstance(row, DefinitionRow) and row.n_failed > 0
