"""Checks of workloads: what each line gives, its stored tensors, and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engine.schema import (
    Definition,
    DType,
    RandomInput,
    SafetensorsInput,
    ScalarInput,
    TensorSpec,
    Workload,
)
from engine.store.blobs import BlobError, blob_path
from engine.validate.blobs import STORED_AS, BadBlob, Blobs, Entry, read_values
from engine.validate.constraints import Constraints, broken, constraints_of
from engine.validate.documents import Dataset, Line, effective
from engine.validate.expression import Value
from engine.validate.findings import Finding, found
from engine.validate.nan import first_nan
from engine.validate.tensors import Number, Tensor, Unknown
from engine.validate.values import Case, faults, is_index

Fault = tuple[str, str, str]
"""Name of a check, field within the workload, and what is wrong."""


class _Given(NamedTuple):
    """What a workload gives, as far as it is sound.

    Args:
        lengths: Of every axis that has one.
        values: Inputs by name; a tensor that is random, or not sound, has a shape only.
        stored: Names of those whose values are in the dataset.
    """

    lengths: dict[str, int]
    values: dict[str, Value]
    stored: set[str]


class _Checker:
    """Checks lines; remembers what several of them share."""

    def __init__(self, dataset: Dataset) -> None:
        self._layers = dataset.layers
        self._known = {
            name: (document.item, constraints_of(document.item))
            for name, document in effective(dataset.definitions).items()
        }
        self._blobs = Blobs()
        self._nans: dict[tuple[Path, str], int | None] = {}
        self._unchecked: set[str] = set()

    def knows(self, line: Line) -> bool:
        """Whether there is the definition of a line."""
        return line.item.definition in self._known

    def check(self, line: Line) -> Iterator[Finding]:
        """What is wrong with one line of a known definition."""
        definition, constraints = self._known[line.item.definition]
        for check, field, message in self._faults(definition, constraints, line.item.workload):
            place = f"workload.{field}" if field else ""
            yield found(check, message, file=line.source.shown, line=line.number, field=place)

    def _faults(
        self, definition: Definition, constraints: Constraints, workload: Workload
    ) -> Iterator[Fault]:
        given = _Given({**workload.axes, **definition.const_axes}, {}, set())
        yield from _axes(definition, workload)
        yield from self._inputs(definition, workload, given)
        for fault in broken(constraints, {**given.lengths, **given.values}):
            if fault.check != "constraint-form":
                yield fault.check, "", fault.message
            elif fault.message not in self._unchecked:
                self._unchecked.add(fault.message)
                yield fault.check, "", fault.message
        yield from _integers(definition, constraints, given)

    def _inputs(self, definition: Definition, workload: Workload, given: _Given) -> Iterator[Fault]:
        for name in workload.inputs:
            if name not in definition.inputs:
                yield "input-unknown", f"inputs.{name}", "the definition has no such input"
        for name, spec in definition.inputs.items():
            source, field = workload.inputs.get(name), f"inputs.{name}"
            if source is None:
                yield "input-missing", field, "is not given"
                continue
            try:
                shape = definition.shape_of(name, workload.axes)
            except KeyError:
                continue  # said of the axis already
            if shape is not None:
                given.values[name] = Tensor(shape)
            match source:
                case RandomInput():
                    if is_index(definition, name):
                        message = "is random, and by its name it points somewhere"
                        yield "random-indices", field, message
                case ScalarInput(value=value):
                    if reason := _misfit(value, spec):
                        yield "input-kind", field, reason
                    elif shape is None:
                        given.values[name] = value
                case SafetensorsInput():
                    for check, key, message in self._stored(name, spec, shape, source, given):
                        yield check, f"{field}.{key}" if key else field, message

    def _stored(
        self,
        name: str,
        spec: TensorSpec,
        shape: tuple[int, ...] | None,
        source: SafetensorsInput,
        given: _Given,
    ) -> Iterator[Fault]:
        """What is wrong with a stored input; a sound one is put among the given."""
        try:
            path = blob_path(self._layers, source.path)
            entry = self._blobs.header(path).get(source.tensor_key)
        except BlobError:
            return  # the layout's to say
        except BadBlob as error:
            yield "blob-broken", "path", f"{source.path} {error}"
            return
        if entry is None:
            keys = ", ".join(list(self._blobs.header(path))[:5]) or "nothing"
            message = f"{source.path} has no tensor {source.tensor_key!r}; it holds {keys}"
            yield "tensor-missing", "tensor_key", message
            return
        wrong = list(_misshapen(spec, shape, entry))
        yield from wrong
        if wrong:
            return
        given.values[name] = Tensor(entry.shape, partial(_values, path, entry))
        given.stored.add(name)
        try:
            position = self._first_nan(path, source.tensor_key, entry)
        except OSError as error:
            yield "blob-broken", "path", f"{source.path} cannot be read: {error.strerror}"
            return
        if position is not None:
            yield "nan-values", "", f"element {position} of {source.path} is NaN"

    def _first_nan(self, path: Path, key: str, entry: Entry) -> int | None:
        if (path, key) not in self._nans:
            self._nans[path, key] = first_nan(path, entry)
        return self._nans[path, key]


def _values(path: Path, entry: Entry) -> Sequence[Number]:
    try:
        return read_values(path, entry)
    except OSError:
        raise Unknown from None


def check_workloads(dataset: Dataset) -> Iterator[Finding]:
    """What is wrong with the workloads."""
    checker = _Checker(dataset)
    strange: dict[tuple[str, str], list[int]] = {}
    for line in dataset.workloads:
        if checker.knows(line):
            yield from checker.check(line)
        else:
            key = line.source.shown, line.item.definition
            strange.setdefault(key, []).append(line.number)
    for (file, name), lines in strange.items():
        message = f"there is no definition {name!r}"
        yield found(
            "workload-definition",
            message,
            file=file,
            line=lines[0],
            field="definition",
            count=len(lines),
        )
    yield from _repeated(dataset)
    covered = {line.item.definition for line in dataset.workloads}
    for document in dataset.definitions:
        if document.item.name not in covered:
            yield found("no-workloads", "has no workload", file=document.source.shown)


def missing_blobs(dataset: Dataset) -> Iterator[Finding]:
    """Stored inputs whose file is not there, once for each line and file."""
    for line in dataset.workloads:
        told: set[str] = set()
        for name, source in line.item.workload.inputs.items():
            if not isinstance(source, SafetensorsInput) or source.path in told:
                continue
            told.add(source.path)
            try:
                blob_path(dataset.layers, source.path)
            except BlobError as error:
                yield found(
                    "blob-missing",
                    str(error),
                    file=line.source.shown,
                    line=line.number,
                    field=f"workload.inputs.{name}.path",
                )


def _axes(definition: Definition, workload: Workload) -> Iterator[Fault]:
    fixed = definition.const_axes
    for axis in definition.var_axes:
        if axis not in workload.axes:
            yield "axis-missing", f"axes.{axis}", "the workload gives it no length"
    for axis, length in workload.axes.items():
        field = f"axes.{axis}"
        if axis not in definition.axes:
            yield "axis-unknown", field, "the definition has no such axis"
        elif axis in fixed and fixed[axis] != length:
            yield "axis-fixed", field, f"is {length}, and the definition fixes it at {fixed[axis]}"
        elif axis not in fixed and length == 0:
            names = [name for name, spec in definition.inputs.items() if axis in (spec.shape or ())]
            what = f"; nothing is in {', '.join(names)}" if names else ""
            yield "axis-zero", field, f"is 0{what}"


def _misfit(value: bool | int | float, spec: TensorSpec) -> str:
    """Why a scalar's value does not fit; "" where it does."""
    if spec.shape is not None:
        return "is one value, and the definition wants a tensor"
    if spec.dtype is DType.BOOL:
        fits = isinstance(value, bool)
    elif spec.dtype.startswith("int"):
        limit = 1 << (spec.dtype.bits - 1)
        fits = isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit
    else:
        fits = not isinstance(value, bool)
    return "" if fits else f"{value!r} is no {spec.dtype}"


def _misshapen(spec: TensorSpec, shape: tuple[int, ...] | None, entry: Entry) -> Iterator[Fault]:
    if entry.dtype != STORED_AS[spec.dtype]:
        wanted = STORED_AS[spec.dtype]
        yield "tensor-dtype", "", f"is stored as {entry.dtype}, and {spec.dtype} is {wanted}"
    if shape is None:
        if entry.shape not in ((), (1,)):
            message = f"is stored with shape {list(entry.shape)}, and wants one value"
            yield "tensor-shape", "", message
    elif entry.shape != shape:
        axes = ", ".join(spec.shape or ())
        message = f"is stored with shape {list(entry.shape)}, and [{axes}] is {list(shape)}"
        yield "tensor-shape", "", message


def _integers(definition: Definition, constraints: Constraints, given: _Given) -> Iterator[Fault]:
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Number] = {}
    for name, value in given.values.items():
        if not isinstance(value, Tensor):
            scalars[name] = value
        elif name in given.stored and definition.inputs[name].dtype.startswith("int"):
            tensors[name] = value
    stated = [constraint.names for constraint in constraints.usable.values()]
    for name, message in faults(Case(definition, given.lengths, tensors, scalars, stated)):
        yield "index-values", f"inputs.{name}", message


def _repeated(dataset: Dataset) -> Iterator[Finding]:
    """uuids that stand for several workloads of one layer."""
    first: dict[tuple[int, str], Line] = {}
    for line in dataset.workloads:
        uuid = line.item.workload.uuid
        other = first.setdefault((line.source.layer, uuid), line)
        if other is line:
            continue
        same = other.item.definition == line.item.definition
        yield found(
            "uuid-duplicate" if same else "uuid-shared",
            f"{uuid} is also that of {other.source.shown}:{other.number}",
            file=line.source.shown,
            line=line.number,
            field="workload.uuid",
        )
