"""What is under the cursor, as far as texts can be made of it. A value; knows no store."""

from __future__ import annotations

from msgspec import Struct


class Subject(Struct, frozen=True, kw_only=True):
    """What is under the cursor; whatever is not there is "".

    Args:
        name: Its name or id.
        definition: Name of the definition.
        solution: Name of the solution, or ``name@version``.
        workload: uuid.
        trace: Number of the trace, as lists have it, or None.
        run: Id of the run; ``evaluation`` of the evaluation in it.
        error: Why it failed, where that is known without a trace.
        command: The command that repeats it, where that is no benchmark.
        file: Where it lies, ``FILE`` or ``FILE:LINE``, where nothing of the above says so.
        at: Line of the solution's source, ``PATH:LINE``.
        edits: Whether tools are to open the solution rather than the trace.
        tab: What of the trace is on the screen, as a tab's name.
    """

    name: str = ""
    definition: str = ""
    solution: str = ""
    workload: str = ""
    trace: int | None = None
    run: str = ""
    evaluation: str = ""
    error: str = ""
    command: str = ""
    file: str = ""
    at: str = ""
    edits: bool = False
    tab: str = ""

    @property
    def kind(self) -> str:
        """What its path and its JSON are of: the most particular thing that it names."""
        if self.trace is not None or self.evaluation:
            return "trace"
        for kind in ("solution", "workload", "definition", "run"):
            if getattr(self, kind):
                return kind
        return ""
