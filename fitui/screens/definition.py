"""Definition, first tab: what it computes: axes, tensors, constraints and the reference."""

from __future__ import annotations

from engine.schema import AxisConst, Definition, TensorSpec
from engine.store import WorkloadRow
from fitui.format import count
from fitui.run_view import Target
from fitui.screens.definition_tabs import DEFINITION_TABS, definition_tab
from fitui.screens.documents import Line, described, heading, wrapped
from fitui.screens.page import Page
from fitui.screens.targets import definition_target
from fitui.view import View
from fitui.where import exact
from fitui.widgets.code import CodeLines
from fitui.widgets.lines import Span
from fitui.widgets.text import Document, Joined


class DefinitionPage(Page):
    """The overview of a definition; the reference stands beside it where there is room."""

    body = "text"
    tabs = DEFINITION_TABS

    def show(self) -> None:
        """Read the definition."""
        store = self.session.store
        definition = store.definition(self.view.subject)
        workloads = list(store.workloads(where=exact("definition", definition.name)))
        width = self.bench.text.size.width or 80
        facts = facts_of(definition, workloads, width)
        reference = CodeLines(definition.reference, "python")
        title = Document([*heading(f"reference ({count(len(reference), 'line')})"), []])
        if self.bench.is_wide:
            self.bench.text.show(Document(facts), keep=True)
            self.bench.side.show(Joined([title, reference]), keep=True)
        else:
            self.bench.text.show(Joined([Document(facts), title, reference]), keep=True)

    def resized(self) -> None:
        """Wrap anew."""
        self.show()

    def scopes(self) -> set[str]:
        """A text, of something that can be run."""
        return {"text", "search", "tabs", "runnable", "definition", "copy"}

    def crumb(self) -> str:
        """The name."""
        return self.view.subject

    def bar(self) -> tuple[list[Span], list[Span]]:
        """The tabs."""
        return self.tab_spans(), []

    def tab_view(self, tab: str) -> View:
        """Another tab of the definition."""
        return definition_tab(self.view.subject, tab)

    def definition(self) -> str:
        """This one."""
        return self.view.subject

    def target(self) -> Target | None:
        """All its solutions."""
        return definition_target(self.view.subject)

    def copied(self) -> str:
        """Its name."""
        return self.view.subject


def facts_of(definition: Definition, workloads: list[WorkloadRow], width: int) -> list[Line]:
    """Everything of a definition but its reference."""
    lines: list[Line] = [[]]
    lines += wrapped(definition.description or definition.name, width)
    tags = " ".join(definition.tags)
    lines += wrapped(f"{definition.op_type}   {tags}", width, "dim")
    lines += heading("axes")
    lines += described(
        [
            (name, _axis_value(name, axis, workloads), axis.description or "")
            for name, axis in definition.axes.items()
        ],
        ("accent", "", "dim"),
        width,
    )
    for title, specs in (("inputs", definition.inputs), ("outputs", definition.outputs)):
        lines += heading(title)
        tensors = [_tensor(*item) for item in specs.items()]
        lines += described(tensors, ("accent", "", "", "dim"), width)
    if definition.constraints:
        lines += heading("constraints")
        for text in definition.constraints:
            lines += wrapped(text, width, indent="   ")
    return lines


def _axis_value(name: str, axis: object, workloads: list[WorkloadRow]) -> str:
    if isinstance(axis, AxisConst):
        return f"= {axis.value}"
    values = sorted({row.axes[name] for row in workloads if name in row.axes})
    if not values:
        return "varies"
    if len(values) <= 4:
        return " ".join(str(value) for value in values)
    return f"{values[0]} .. {values[-1]} ({len(values)} values)"


def _tensor(name: str, spec: TensorSpec) -> tuple[str, str, str, str]:
    shape = "scalar" if spec.shape is None else f"[{', '.join(spec.shape)}]"
    return (name, spec.dtype.value, shape, spec.description or "")
