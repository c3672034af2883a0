"""A brief for whoever is to mend a solution: cause, source, smallest failing workload, command.

Markdown, so that a person, an issue or an agent can read it. What is not known is said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from engine.evaluate.registry import plan_for
from engine.run.client import runs_dir
from engine.run.files import RunFolder
from engine.schema import (
    Definition,
    RandomInput,
    SafetensorsInput,
    ScalarInput,
    Solution,
    Status,
    Workload,
    describe_axes,
)
from engine.schema.run import Settings
from engine.store import TraceRow, TraceStore
from fitui import format as form
from fitui.copying.evidence import Evidence, cause_line, read_evidence
from fitui.format import clean, clean_lines
from fitui.measurement import figures_of, measurement
from fitui.where import exact

_AROUND = 12
"""Lines of a source on either side of the one that the log speaks of."""
_ENTRY = 40
"""Lines of a source from its entry function on, where the log speaks of none."""
_ABOVE, _BELOW = 4, 12
"""Lines of a log around the cause."""
_TRIED = 20
"""Failures that are read to find the smallest with the same cause."""
_WORST = 4


class Command(Protocol):
    """A command and what to know of it."""

    @property
    def text(self) -> str:
        """As a shell takes it."""

    @property
    def note(self) -> str:
        """What to know of it, or ""."""


def brief_of(
    store: TraceStore, state: Path, asked: Evidence, command_of: Callable[[TraceRow], Command]
) -> str:
    """The brief about an evaluation, told by the smallest workload that fails for its cause.

    Args:
        store: The dataset.
        state: State folder, for the settings of the run.
        asked: The evaluation.
        command_of: Gives the command that makes an evaluation again.

    Raises:
        LookupError: The definition or the workload is not in the dataset.
    """
    definition = store.definition(asked.row.definition)
    newest = _newest(store, asked.row)
    shown = _smallest(store, definition, asked, newest)
    row = shown.row
    workload = store.workload(row.workload, row.definition)
    parts = [
        _title(shown),
        _facts(shown, asked, newest),
        _cause(store, shown),
        _source(shown),
        _workload(definition, workload, failed=shown.cause is not None),
        _wrong_values(shown),
        _tolerances(state, definition, workload, row),
        f"## Reference of `{definition.name}`\n\n{fenced(definition.reference, 'python')}",
        _again(row, command_of),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# Which evaluation


def _newest(store: TraceStore, row: TraceRow) -> list[TraceRow]:
    """The newest evaluation on each workload of the version that ran."""
    where = f"{exact('definition', row.definition)} {exact('solution', row.solution)}"
    if row.version:
        where += f" {exact('version', row.version)}"
    found: dict[str, TraceRow] = {}
    for item in store.traces(where, sort="-time"):
        found.setdefault(item.workload, item)
    return list(found.values())


def _smallest(
    store: TraceStore, definition: Definition, asked: Evidence, newest: Sequence[TraceRow]
) -> Evidence:
    """The failure for the same cause on the smallest workload; what was asked for if it passed."""
    if asked.cause is None:
        return asked

    def size(row: TraceRow) -> tuple[float, list[int]]:
        try:
            return float(definition.bytes_of(row.axes)), list(row.axes.values())
        except KeyError:
            return float("inf"), list(row.axes.values())

    same = [row for row in newest if row.status == asked.row.status]
    for row in sorted(same, key=size)[:_TRIED]:
        if row.id == asked.row.id or size(row) >= size(asked.row):
            break
        try:
            found = read_evidence(store, row)
        except (LookupError, ValueError, OSError):
            continue
        if found.cause is not None and found.cause.key == asked.cause.key:
            return found
    return asked


# Parts


def _title(shown: Evidence) -> str:
    row = shown.row
    if shown.cause is None:
        return f"# `{clean(row.solution)}` passes on `{clean(row.definition)}`"
    return f"# `{clean(row.solution)}` fails on `{clean(row.definition)}`: {row.status}"


def _facts(shown: Evidence, asked: Evidence, newest: Sequence[TraceRow]) -> str:
    row, solution = shown.row, shown.solution
    failed = [item for item in newest if item.status != Status.PASSED]
    counts = f"{len(newest)} tried, {len(newest) - len(failed)} passed, {len(failed)} failed"
    facts = [
        ("solution", f"`{clean(row.solution)}`, version {row.version or 'unknown'}"),
        ("built as", _built(solution) if solution else "unknown: it is no longer in the dataset"),
        ("workloads", counts),
        ("this evaluation", f"trace {row.id}, {row.timestamp}, on {row.hardware or 'unknown'}"),
    ]
    if shown.row.id != asked.row.id:
        axes = describe_axes(asked.row.axes)
        facts.append(("also seen as", f"trace {asked.row.id}, on {axes}"))
    driver = shown.evaluation.environment.libs.get("driver", "unknown")
    facts.append(("driver, timer", f"{driver}, {row.timer or 'unknown'}"))
    return "\n".join(f"- {label}: {clean(text)}" for label, text in facts)


def _built(solution: Solution) -> str:
    spec = solution.spec
    how = "writes into outputs that are passed after the inputs"
    if not spec.destination_passing_style:
        how = "takes the inputs and returns the outputs"
    return f"{spec.language.value}, entry point {spec.entry_point}, which {how}"


def _cause(store: TraceStore, shown: Evidence) -> str:
    cause = shown.cause
    if cause is None:
        lines = measurement(shown.evaluation)
        text = "\n".join("".join(part for part, _style in line).rstrip() for line in lines)
        return f"## Measurement\n\n{fenced(text)}" if text else ""
    parts = ["## Cause", fenced(cause_line(store, shown))]
    log = clean_lines(shown.evaluation.log)
    if log:
        at = max(0, cause.at)
        first = max(0, at - _ABOVE)
        kept = log[first : at + _BELOW]
        parts += [f"The log, from line {first + 1} of {len(log)}:", fenced("\n".join(kept))]
    return "\n\n".join(parts)


def _source(shown: Evidence) -> str:
    solution = shown.solution
    if solution is None:
        return ""
    texts = {source.path: clean_lines(source.content) for source in solution.sources}
    place = shown.place
    if place is not None:
        path, line = place.path, place.line
        first, last = max(1, line - _AROUND), min(len(texts[path]), line + _AROUND)
        heading = f"## Source: `{clean(path)}`, line {line}"
    else:
        path, line = solution.spec.entry_file, 0
        first = _line_of(texts[path], solution.spec.entry_function)
        last = min(len(texts[path]), first + _ENTRY - 1)
        said = "" if shown.cause is None else "; the log names no line of the sources"
        heading = f"## Source: `{clean(path)}` from its entry on{said}"
    width = len(str(last))
    lines = [
        f"{'>' if number == line else ' '} {number:>{width}}  {texts[path][number - 1]}"
        for number in range(first, last + 1)
    ]
    parts = [heading]
    if not shown.is_version:
        ran = f"version {shown.row.version}, which ran, was not kept"
        ran = ran if shown.row.version else "which version ran is not known"
        parts.append(f"This is the source as it is now: {ran}.")
    parts.append(fenced("\n".join(lines)))
    others = [f"`{clean(name)}` ({len(text)} lines)" for name, text in texts.items()]
    parts.append(f"All files: {', '.join(others)}.")
    return "\n\n".join(parts)


def _line_of(text: Sequence[str], function: str) -> int:
    """Line, from 1, on which a function seems to begin; 1 where none does."""
    named = re.compile(rf"\b{re.escape(function)}\s*\(")
    for number, line in enumerate(text, start=1):
        if named.search(line):
            return number
    return 1


def _workload(definition: Definition, workload: Workload, *, failed: bool) -> str:
    heading = "## The smallest failing workload" if failed else "## Workload"
    fixed = describe_axes(definition.const_axes)
    axes = describe_axes(workload.axes) + (f" (fixed: {fixed})" if fixed else "")
    lines = [heading, "", f"- uuid: `{clean(workload.uuid)}`", f"- axes: {clean(axes)}"]
    for name, spec in definition.inputs.items():
        try:
            shape = definition.shape_of(name, workload.axes)
        except KeyError:
            size = "of unknown shape"
        else:
            size = "scalar" if shape is None else f"[{', '.join(map(str, shape))}]"
        source = _input(workload, name)
        lines.append(f"- input {clean(name)}: {spec.dtype.value} {size}, {clean(source)}")
    for name, spec in definition.outputs.items():
        size = "scalar" if spec.shape is None else f"[{', '.join(spec.shape)}]"
        lines.append(f"- output {clean(name)}: {spec.dtype.value} {size}")
    return "\n".join(lines)


def _input(workload: Workload, name: str) -> str:
    match workload.inputs.get(name):
        case RandomInput():
            return "random"
        case ScalarInput(value=value):
            return f"the number {value}"
        case SafetensorsInput(path=path, tensor_key=key):
            return f"tensor {key} of {path} in the dataset"
    return "not given by the workload"


def _wrong_values(shown: Evidence) -> str:
    """Expected and got of the worst elements; the largest errors where no elements were kept."""
    correctness = shown.evaluation.correctness
    if correctness is None or shown.cause is None:
        return ""
    lines = [
        "## Expected and got",
        "",
        f"Largest absolute error {correctness.max_absolute_error}, "
        f"relative {correctness.max_relative_error}.",
    ]
    checks = _dicts(figures_of(shown.evaluation).get("checks"))
    rows = [line for item in checks if item.get("bad") for line in _worst(item)]
    if not rows:
        return "\n".join([*lines, "Which elements are wrong was not kept."])
    titles = "| output | wrong | index | expected | got |\n| --- | --- | --- | ---: | ---: |"
    return "\n".join([*lines, "", titles, *rows])


def _worst(item: Mapping[str, Any]) -> list[str]:
    name, share = item.get("output", "?"), f"{item.get('bad')} of {item.get('elements', '?')}"
    found = _dicts(item.get("worst"))[:_WORST]
    cells = [
        (name, share, worst.get("index"), worst.get("expected"), worst.get("got"))
        for worst in found
    ] or [(name, share, "unknown", "unknown", "unknown")]
    return ["| " + " | ".join(clean(str(cell)) for cell in row) + " |" for row in cells]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _tolerances(state: Path, definition: Definition, workload: Workload, row: TraceRow) -> str:
    settings, whose = Settings(), "by default; those of this evaluation are unknown"
    if row.run and "/" not in row.run:
        try:
            settings = RunFolder(runs_dir(state) / row.run).read_request().settings
            whose = f"as run {row.run} had them"
        except (OSError, msgspec.MsgspecError):
            pass
    plan = plan_for(definition, workload, settings)
    rule = plan.rule
    share = "every element" if rule.matched_ratio >= 1 else f"{100 * rule.matched_ratio:g} %"
    return (
        f"## Tolerances ({clean(whose)})\n\n"
        f"An element matches if |got - expected| <= {rule.atol:g} + {rule.rtol:g} * |expected|; "
        f"{share} must match (evaluator `{plan.evaluator}`, {form.count(plan.sets, 'input set')}). "
        "Shape and dtype must be exact."
    )


def _again(row: TraceRow, command_of: Callable[[TraceRow], Command]) -> str:
    heading = "## Run it again"
    try:
        command = command_of(row)
    except LookupError as error:
        return f"{heading}\n\n{clean(str(error.args[0]))}"
    note = f"\n\n{clean(command.note)}." if command.note else ""
    return f"{heading}\n\n{fenced(command.text, 'sh')}{note}"


def fenced(text: str, language: str = "") -> str:
    """A block of code, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
