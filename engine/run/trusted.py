"""The trusted role of the child program: inputs, the reference, and comparisons.

No solution's code ever runs here, and expected outputs never leave.
"""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.evaluate.draw import HOST, Maker
from engine.evaluate.evaluators import BY_NAME
from engine.evaluate.inputs import Value, torch_dtype
from engine.measure.work import work_of
from engine.run import protocol
from engine.run.memory import map_sealed
from engine.run.room import device_memory, give_back, has_room_for_copies, most_sets
from engine.run.tensors import fresh_copy, read_tensor, write_tensors
from engine.run.worker import Reply, Worker
from engine.schema.definition import Definition


class BadReference(Exception):
    """The reference does not do what its definition says."""


class TrustedSet:
    """Inputs of one set and what the reference expects of them."""

    def __init__(self, values: dict[str, Value], device: torch.device) -> None:
        self.values = {
            name: value.to(device) if isinstance(value, torch.Tensor) else value
            for name, value in values.items()
        }
        self.expected: list[torch.Tensor] = []
        tensors = [value for value in self.values.values() if isinstance(value, torch.Tensor)]
        self.nbytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self._copied = has_room_for_copies(self.nbytes, device_memory(device))

    def arguments(self) -> list[Any]:
        """Fresh copies where there is room, in the order of the definition."""
        return [
            fresh_copy(value) if self._copied and isinstance(value, torch.Tensor) else value
            for value in self.values.values()
        ]


class TrustedWorker(Worker):
    """Answers what a worker answers, with the reference as its entry, and more."""

    def __init__(self, device: str, page: int) -> None:
        super().__init__(device, page)
        self._definition: Definition | None = None
        self._trusted: dict[int, TrustedSet] = {}
        self._maker = Maker(self.device) if self.device.type == "cuda" else HOST
        # The reference is the yardstick: no shortcuts in its arithmetic.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False

    def handle(self, message: Any, descriptors: list[int]) -> Reply:
        """Carry out one order."""
        started = time.monotonic()
        match message:
            case protocol.LoadReference():
                self._load_reference(message.definition)
                return protocol.Done(seconds=time.monotonic() - started), ()
            case protocol.Generate():
                return self._generate(message)
            case protocol.Compare():
                return self._compare(message, descriptors[0])
            case protocol.Calibrate():
                from engine.measure.calibrate import calibrate

                return protocol.Calibrated(calibration=calibrate(self.page)), ()
            case protocol.Close():
                for key in message.keys:
                    self._trusted.pop(key, None)
                give_back(self.device)
                return protocol.Done(), ()
            case _:
                return super().handle(message, descriptors)

    def prepare_call(self, key: int) -> tuple[list[Any], list[Any]]:
        """See ``Worker``: the reference returns its outputs."""
        return self._trusted[key].arguments(), []

    def _load_reference(self, definition: Definition) -> None:
        entry = _execute(definition)
        parameters = list(inspect.signature(entry).parameters)
        if parameters != list(definition.inputs):
            # Called by position, so only the order of equal names can be wrong.
            same = sorted(parameters) == sorted(definition.inputs)
            if same:
                entry = partial(_by_name, entry, list(definition.inputs))
        self._definition = definition
        self.set_reference(entry, list(definition.outputs))

    def _generate(self, message: protocol.Generate) -> Reply:
        definition = self._known()
        evaluator = BY_NAME[message.evaluator]
        values = self._make_inputs(message)
        made = TrustedSet(values, self.device)
        tensors = {key: value for key, value in values.items() if isinstance(value, torch.Tensor)}
        scalars = {
            key: value for key, value in values.items() if not isinstance(value, torch.Tensor)
        }
        work = work_of(definition, message.workload.axes, made.values)
        metas, descriptor = write_tensors(tensors, "inputs")
        try:
            arguments = made.arguments()
            self.synchronize()
            started = time.monotonic()
            made.expected = evaluator.expect(lambda: self.invoke(arguments, []))
            self.synchronize()
            call_s = time.monotonic() - started
            self._check_expected(made.expected, message)
        except BaseException:
            os.close(descriptor)
            raise
        self._trusted[message.key] = made
        room = most_sets(made.nbytes, device_memory(self.device))
        reply = protocol.Inputs(
            tensors=metas, scalars=scalars, call_s=call_s, work=work, most_sets=room
        )
        return reply, (descriptor,)

    def _make_inputs(self, message: protocol.Generate) -> dict[str, Value]:
        """Inputs, large ones on the device, unless it cannot make them."""
        make = partial(
            BY_NAME[message.evaluator].make_inputs,
            self._known(),
            message.workload,
            message.seed,
            message.blobs,
        )
        if self._maker is not HOST:
            try:
                return make(self._maker)
            except RuntimeError as error:
                print(f"inputs are made by the processor: {error}", file=sys.stderr)
                self._maker = HOST
        return make(HOST)

    def _check_expected(self, expected: list[Any], message: protocol.Generate) -> None:
        definition = self._known()
        if not expected:
            return
        if len(expected) != len(definition.outputs):
            raise BadReference(
                f"the reference returned {len(expected)} outputs, not {len(definition.outputs)}"
            )
        for (name, spec), tensor in zip(definition.outputs.items(), expected, strict=True):
            if not isinstance(tensor, torch.Tensor):
                found = type(tensor).__name__
                raise BadReference(f"the reference's {name} is no tensor but a {found}")
            # Else the solution would be blamed for what nobody can make.
            torch_dtype(spec.dtype)
            shape = definition.shape_of(name, message.workload.axes)
            if tuple(tensor.shape) != (shape or ()):
                raise BadReference(
                    f"the reference gave {name} shape {list(tensor.shape)}, not {shape}"
                )

    def _compare(self, message: protocol.Compare, descriptor: int) -> Reply:
        memory = map_sealed(descriptor)
        chosen = self._trusted[message.key]
        outputs = [read_tensor(meta, memory) for meta in message.outputs]
        per_call = len(outputs) // message.repeat
        calls = [outputs[i : i + per_call] for i in range(0, len(outputs), per_call)]
        evaluator = BY_NAME[message.evaluator]
        checks = evaluator.compare(
            self._known(), chosen.values, chosen.expected, calls, message.rule
        )
        return protocol.Checks(checks=checks), ()

    def _known(self) -> Definition:
        if self._definition is None:
            raise BadReference("no reference is loaded")
        return self._definition


def _execute(definition: Definition) -> Callable[..., Any]:
    """Run the reference's module text from a file, so that tracebacks can quote it."""
    folder = tempfile.mkdtemp(prefix="reference-")
    path = str(Path(folder) / "reference.py")
    Path(path).write_text(definition.reference, encoding="utf-8")
    space: dict[str, Any] = {"__name__": "fitui_reference", "__file__": path}
    exec(compile(definition.reference, path, "exec", dont_inherit=True), space)
    entry = space["run"]
    if not callable(entry):
        raise BadReference("`run` of the reference is not a function")
    return entry  # type: ignore[no-any-return]


def _by_name(entry: Callable[..., Any], names: list[str], *values: Any) -> Any:
    return entry(**dict(zip(names, values, strict=True)))
