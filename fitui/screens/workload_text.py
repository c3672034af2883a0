"""The workload of an evaluation: axes, each input and how it is made, and the rule it is judged by.

Reads the store and asks for stored files, so that it belongs on a thread; knows no widgets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from engine.evaluate.registry import plan_for
from engine.schema import AxisConst, Definition, TensorSpec, Trace
from engine.schema.run import Settings
from engine.schema.workload import RandomInput, SafetensorsInput, ScalarInput, Workload
from engine.store import BlobError, TraceStore, blob_path
from fitui.format import clean
from fitui.screens.documents import Line, columns, fact, heading, wrapped
from fitui.screens.reasons import own_figures


def workload_lines(
    store: TraceStore, trace: Trace, settings: Settings | None, width: int
) -> list[Line]:
    """Everything about what an evaluation ran on.

    Args:
        store: The dataset.
        trace: Of the evaluation.
        settings: Of its run; None where the run is not on this machine.
        width: Columns to wrap at.
    """
    workload = trace.workload
    lines: list[Line] = [[], fact("workload", workload.uuid), fact("definition", trace.definition)]
    try:
        definition = store.definition(trace.definition)
    except (LookupError, ValueError, OSError) as error:
        definition = None
        lines += [[], *wrapped(str(error), width, "warn")]
    lines += _axes_lines(workload, definition)
    lines += _input_lines(store.layers, workload, definition)
    if definition is None:
        return lines
    lines += heading("outputs")
    lines += columns(
        (
            (name, spec.dtype.value, _shape(spec, workload, definition))
            for name, spec in definition.outputs.items()
        ),
        ("name", "", "dim"),
    )
    lines += _rule_lines(definition, workload, settings, width)
    seed = own_figures(trace.evaluation.correctness if trace.evaluation else None).get("seed")
    if isinstance(seed, str) and seed:
        lines.append(fact("seed", seed))
    return lines


def _axes_lines(workload: Workload, definition: Definition | None) -> list[Line]:
    rows = [(name, str(length), "") for name, length in workload.axes.items()]
    for name, axis in definition.axes.items() if definition else ():
        if isinstance(axis, AxisConst):
            rows.append((name, str(axis.value), "fixed by the definition"))
        elif name not in workload.axes:
            rows.append((name, "?", "the workload gives no length"))
    return [*heading("axes"), *columns(rows, ("name", "", "dim"))]


def _input_lines(
    layers: Sequence[Path], workload: Workload, definition: Definition | None
) -> list[Line]:
    """Name, dtype, shape and making of each input; below a stored one what is wrong with it."""
    named = definition.inputs if definition else {}
    rows: list[tuple[str, str, str, str]] = []
    wrong: dict[int, str] = {}
    for name in dict.fromkeys((*named, *workload.inputs)):
        spec = named.get(name)
        dtype = spec.dtype.value if spec else "?"
        shape = _shape(spec, workload, definition) if spec and definition else "?"
        source = workload.inputs.get(name)
        made = ""
        if isinstance(source, RandomInput):
            made = "random, from the seed"
        elif isinstance(source, ScalarInput):
            made = f"= {source.value}"
        elif isinstance(source, SafetensorsInput):
            try:
                path = blob_path(layers, source.path)
                made = f"{source.tensor_key} of {source.path} (there, {_size(path)})"
            except (BlobError, OSError) as error:
                made, wrong[len(rows)] = f"{source.tensor_key} of {source.path}", str(error)
        else:
            wrong[len(rows)] = "the workload does not say how it is made"
        if spec is None and definition is not None:
            wrong[len(rows)] = "the definition has no such input"
        rows.append((name, dtype, shape, made))
    lines: list[Line] = []
    for position, line in enumerate(columns(rows, ("name", "", "dim", "accent"))):
        lines.append(line)
        if position in wrong:
            lines.append([(f"      ! {clean(wrong[position])}", "failed")])
    return [*heading("inputs"), *lines]


def _shape(spec: TensorSpec, workload: Workload, definition: Definition) -> str:
    """The lengths of a tensor's axes; a name where the length is unknown."""
    if spec.shape is None:
        return "scalar"
    known = {**workload.axes, **definition.const_axes}
    return "[" + ", ".join(str(known.get(name, name)) for name in spec.shape) + "]"


def _size(path: Path) -> str:
    number = float(path.stat().st_size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _rule_lines(
    definition: Definition, workload: Workload, settings: Settings | None, width: int
) -> list[Line]:
    """When values count as equal, by this program's evaluator of such a definition."""
    plan = plan_for(definition, workload, settings or Settings())
    rule = plan.rule
    lines = heading("tolerance")
    text = f"|got - expected| <= {rule.atol:g} + {rule.rtol:g} * |expected|"
    lines.append(fact("rule", text))
    if not math.isclose(rule.matched_ratio, 1.0):
        lines.append(fact("", f"for {rule.matched_ratio * 100:g} % of the elements"))
    times = f", {plan.repeat} calls on each judged together" if plan.repeat > 1 else ""
    sets = f"{plan.sets} set{'' if plan.sets == 1 else 's'} of inputs"
    lines.append(fact("evaluator", f"{plan.evaluator}: {sets}{times}"))
    if settings is None:
        words = "The run's own settings are not on this machine: this is what runs take by default."
        lines += wrapped(words, width, "dim", indent="   ")
    return lines
