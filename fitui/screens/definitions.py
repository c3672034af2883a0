"""Definitions: the home of this version. One row per definition, Enter goes in, ``r`` runs all."""

from __future__ import annotations

from engine.store import DefinitionRow
from fitui.format import clean
from fitui.run_view import Target
from fitui.screens.fields import DEFINITION_FIELDS
from fitui.screens.listing import ListPage
from fitui.screens.rows import FetchedRows
from fitui.session import layers_text
from fitui.view import View
from fitui.widgets.lines import Span


class DefinitionsPage(ListPage):
    """Every definition and how its solutions do."""

    fields = DEFINITION_FIELDS
    noun = "definition"

    def load(self, words: str, sort: str) -> FetchedRows:
        """Definitions from the store."""
        store = self.session.store

        def fetch(limit: int, offset: int) -> list[DefinitionRow]:
            return list(store.definitions(where=words, sort=sort, limit=limit, offset=offset))

        number = store.count("definitions", words)
        return FetchedRows(self.fields, number, fetch, lambda row: str(row.name))

    def empty(self) -> list[str]:
        """What to do about an empty dataset."""
        return [
            "No definitions in this dataset.",
            layers_text(self.session.layers),
            "A definition is a file definitions/<op_type>/<name>.json in one of them.",
            "Start with `fitui --dataset FOLDER` to look at another one; 4 shows bad files.",
        ]

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


def definition_target(name: str, n_solutions: int = 0) -> Target:
    """All solutions of a definition."""
    number = f"{n_solutions} solutions" if n_solutions > 1 else "all solutions"
    return Target(title=f"{number} of {name}", definition=name, definitions=(name,))
