"""Checks of definitions: names, axes, tags, constraints and the reference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from engine.schema import AxisConst, Definition
from engine.store.filing import file_part
from engine.validate.constraints import constraints_of
from engine.validate.documents import Dataset, Document
from engine.validate.findings import Finding, found
from engine.validate.reference import check_reference

Fault = tuple[str, str, str]
"""Name of a check, field, and what is wrong."""

_SINGLE = ("ep", "stage", "status", "tp")
"""Tags ``key:value`` of which a definition can have one only."""
_FUNCTION = "fi_api:"


def check_definitions(dataset: Dataset) -> Iterator[Finding]:
    """What is wrong with the definitions."""
    first: dict[tuple[int, str], Document[Definition]] = {}
    for document in dataset.definitions:
        definition, file = document.item, document.source.shown
        other = first.setdefault((document.source.layer, definition.name), document)
        if other is not document:
            message = f"{other.source.shown} defines {definition.name} too, and is the one used"
            yield found("definition-duplicate", message, file=file, field="name")
        for check, field, message in _faults(definition):
            yield found(check, message, file=file, field=field)
    yield from _spellings(dataset)


def _faults(definition: Definition) -> Iterator[Fault]:
    yield from _names(definition)
    constraints = constraints_of(definition)
    yield from _axes(definition, constraints.names)
    yield from _tags(definition)
    yield from _last_pages(definition)
    for fault in constraints.faults:
        yield fault.check, f"constraints[{fault.position}]", fault.message
    for check, message in check_reference(definition):
        yield check, "reference", message


def _names(definition: Definition) -> Iterator[Fault]:
    for field in ("name", "op_type"):
        text = getattr(definition, field)
        if file_part(text) != text:
            yield "name-characters", field, f"{text!r} cannot be the name of a file as it is"
    for field in ("inputs", "outputs"):
        if not getattr(definition, field):
            yield "no-tensors", field, "there are none"
    if not definition.description:
        yield "no-description", "description", "there is none"


def _axes(definition: Definition, constrained: set[str]) -> Iterator[Fault]:
    bound = {axis for spec in definition.inputs.values() for axis in spec.shape or ()}
    made = {axis for spec in definition.outputs.values() for axis in spec.shape or ()}
    for name, axis in definition.axes.items():
        field = f"axes.{name}"
        if not isinstance(axis, AxisConst):
            if name not in bound:
                yield "axis-unbound", field, "no input has it, so no call can tell its length"
        elif name not in bound | made | constrained:
            yield "axis-unused", field, "no shape and no constraint has it"
        elif axis.value == 0:
            yield "axis-empty", field, "is 0"


def _tags(definition: Definition) -> Iterator[Fault]:
    values = defaultdict(set)
    for tag in definition.tags:
        key, _, value = tag.partition(":")
        values[key].add(value)
    for key in _SINGLE:
        if len(values[key]) > 1:
            tags = ", ".join(f"{key}:{value}" for value in sorted(values[key]))
            yield "tag-conflict", "tags", f"{tags} contradict each other"


def _last_pages(definition: Definition) -> Iterator[Fault]:
    """Lengths of last pages are one per sequence; row pointers have one element more."""
    pointers = {
        axis
        for name, spec in definition.inputs.items()
        if name.endswith("indptr")
        for axis in spec.shape or ()
    }
    for name, spec in definition.inputs.items():
        if name.endswith("last_page_len") and pointers.intersection(spec.shape or ()):
            axes = ", ".join(spec.shape or ())
            message = f"has the shape [{axes}] of a row pointer, one more than there are sequences"
            yield "last-page-shape", f"inputs.{name}.shape", message


def _spellings(dataset: Dataset) -> Iterator[Finding]:
    """Functions that few definitions name otherwise than most do."""
    named: dict[str, Counter[str]] = defaultdict(Counter)
    tags = [
        (document, position, tag.removeprefix(_FUNCTION))
        for document in dataset.definitions
        for position, tag in enumerate(document.item.tags)
        if tag.startswith(_FUNCTION)
    ]
    for _, _, function in tags:
        named[function.rpartition(".")[2]][function] += 1
    for document, position, function in tags:
        usual, count = named[function.rpartition(".")[2]].most_common(1)[0]
        if named[function.rpartition(".")[2]][function] < count:
            yield found(
                "tag-spelling",
                f"names {function}; {count} definitions name it {usual}",
                file=document.source.shown,
                field=f"tags[{position}]",
            )
