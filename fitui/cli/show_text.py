"""What ``fitui show`` prints for people: one function a kind of document."""

from __future__ import annotations

from collections.abc import Sequence

from engine.schema import (
    AxisConst,
    Definition,
    RandomInput,
    ScalarInput,
    Solution,
    TensorSpec,
    Trace,
    Workload,
    WorkloadInput,
    describe_axes,
)
from engine.schema.flags import is_alarm
from engine.store import (
    BlobError,
    DefinitionRow,
    SolutionRow,
    TraceRow,
    TraceStore,
    WorkloadRow,
    blob_path,
)
from fitui.cli.output import (
    Column,
    format_age,
    format_latency,
    format_ratio,
    format_roofline,
    print_table,
)
from fitui.format import clean, clean_lines
from fitui.measurement import measurement

_RESULT = (
    Column("id", right=True),
    Column("status"),
    Column("us", right=True),
    Column("speedup", right=True),
    Column("% roof", right=True),
    Column("age", right=True),
)


def print_definition(store: TraceStore, row: DefinitionRow, document: Definition) -> None:
    """Axes, tensors, constraints, reference, and how its solutions do."""
    _facts(
        [
            ("definition", document.name),
            ("op type", document.op_type),
            ("description", document.description or ""),
            ("tags", " ".join(document.tags)),
            ("workloads", str(row.n_workloads)),
            ("best", _best(row)),
            ("file", row.file),
        ]
    )
    _heading("axes")
    print_table(
        (Column("axis"), Column("length", right=True), Column("description")),
        [
            (
                name,
                str(axis.value) if isinstance(axis, AxisConst) else "variable",
                axis.description or "",
            )
            for name, axis in document.axes.items()
        ],
    )
    for title, specs in (("inputs", document.inputs), ("outputs", document.outputs)):
        _heading(title)
        print_table(
            (Column("name"), Column("dtype"), Column("shape"), Column("description")),
            [
                (name, spec.dtype.value, _shape(spec), spec.description or "")
                for name, spec in specs.items()
            ],
        )
    if document.constraints:
        _heading("constraints")
        _text("\n".join(document.constraints))
    _heading("reference")
    _text(document.reference)
    solutions = store.solutions(f'definition="{_escape(document.name)}" is:latest', "-speedup")
    if solutions:
        _heading("solutions")
        print_table(
            (
                Column("solution"),
                Column("author"),
                Column("language"),
                Column("passed", right=True),
                Column("failed", right=True),
                Column("speedup", right=True),
                Column("% roof", right=True),
            ),
            [
                (
                    item.name,
                    item.author,
                    item.language,
                    str(item.n_passed),
                    str(item.n_failed),
                    format_ratio(item.geomean_speedup),
                    format_roofline(item.roofline, alarm=item.n_alarms > 0),
                )
                for item in solutions
            ],
        )


def print_solution(store: TraceStore, row: SolutionRow, document: Solution) -> None:
    """How it is built, its latest results and its sources."""
    spec = document.spec
    _facts(
        [
            ("solution", document.name),
            ("definition", document.definition),
            ("author", document.author),
            ("description", document.description or ""),
            ("language", spec.language.value),
            ("entry point", spec.entry_point),
            ("binding", spec.binding.value if spec.binding else ""),
            ("targets", ", ".join(spec.target_hardware)),
            ("dependencies", ", ".join(spec.dependencies)),
            ("outputs", "passed in" if spec.destination_passing_style else "returned"),
            ("version", row.version + ("" if row.current else " (hidden by another version)")),
            ("passed", f"{row.n_passed} of {row.n_workloads} workloads, {row.n_failed} failed"),
            ("speedup", format_ratio(row.geomean_speedup)),
            ("% roofline", format_roofline(row.roofline, alarm=row.n_alarms > 0)),
            ("file", row.file),
        ]
    )
    name = _escape(document.name)
    results = store.traces(f'solution="{name}" is:latest') if row.current else []
    _results("results", [(describe_axes(item.axes), item) for item in results])
    for source in document.sources:
        _heading(source.path)
        _text(source.content)


def print_workload(store: TraceStore, row: WorkloadRow, document: Workload) -> None:
    """Axes, inputs with the state of their files, and the latest results."""
    _facts(
        [
            ("workload", document.uuid),
            ("definition", row.definition),
            ("axes", describe_axes(document.axes)),
            ("problem", row.problem),
            ("file", f"{row.file}:{row.line}"),
        ]
    )
    _heading("inputs")
    print_table(
        (Column("name"), Column("source"), Column("value")),
        [
            (name, str(item.__struct_config__.tag), _source(store, item))
            for name, item in document.inputs.items()
        ],
    )
    uuid, definition = _escape(document.uuid), _escape(row.definition)
    results = store.traces(f'workload="{uuid}" definition="{definition}" is:latest', "latency")
    _results("results", [(item.solution, item) for item in results])


def print_trace(store: TraceStore, row: TraceRow, document: Trace) -> None:
    """The verdict, its figures, the environment and the log."""
    evaluation = document.evaluation
    assert evaluation is not None
    environment = evaluation.environment
    _facts(
        [
            ("trace", str(row.id)),
            ("status", evaluation.status.value),
            ("definition", document.definition),
            ("solution", row.solution + (f"@{row.version}" if row.version else "")),
            ("workload", f"{describe_axes(row.axes)} ({row.workload})"),
            ("time", f"{evaluation.timestamp} ({format_age(row.time)})"),
            ("hardware", environment.hardware),
        ]
    )
    if correctness := evaluation.correctness:
        _facts(
            [
                ("max abs error", f"{correctness.max_absolute_error}"),
                ("max rel error", f"{correctness.max_relative_error}"),
            ]
        )
    _facts([("run", row.run), ("evaluation", row.evaluation), ("file", f"{row.file}:{row.line}")])
    if lines := measurement(evaluation):
        _heading("measurement")
        for line in lines:
            print("".join(text for text, _style in line).rstrip())
    if environment.libs:
        _heading("environment")
        _facts(sorted(environment.libs.items()))
    if evaluation.log.strip():
        _heading("log")
        _text(evaluation.log)


def _facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Print the pairs that have a value, values aligned."""
    width = max(14, *(len(name) + 2 for name, _ in pairs))
    for name, value in pairs:
        if value:
            print(f"{clean(name):<{width}}{clean(value)}")


def _heading(title: str) -> None:
    print(f"\n-- {clean(title)}")


def _text(text: str) -> None:
    for line in clean_lines(text):
        print(line)


def _results(title: str, rows: Sequence[tuple[str, TraceRow]]) -> None:
    if not rows:
        return
    _heading(title)
    print_table(
        (Column("of"), *_RESULT),
        [
            (
                label,
                str(row.id),
                row.status,
                format_latency(row.latency_ms),
                format_ratio(row.speedup),
                format_roofline(row.roofline, alarm=is_alarm(row.flags)),
                format_age(row.time),
            )
            for label, row in rows
        ],
    )


def _best(row: DefinitionRow) -> str:
    if not row.best_solution:
        return ""
    text = f"{format_ratio(row.best_speedup)} over the reference"
    if row.best_timer:
        text += f" by {row.best_timer}"
    if row.best_roofline is not None:
        text += f", {format_roofline(row.best_roofline)} % roofline"
    return f"{row.best_solution} ({text})"


def _shape(spec: TensorSpec) -> str:
    return "scalar" if spec.shape is None else f"[{', '.join(spec.shape)}]"


def _source(store: TraceStore, item: WorkloadInput) -> str:
    if isinstance(item, RandomInput):
        return ""
    if isinstance(item, ScalarInput):
        return str(item.value)
    try:
        blob_path(store.layers, item.path)
    except BlobError as error:
        return str(error)
    return f"{item.path} [{item.tensor_key}]"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
