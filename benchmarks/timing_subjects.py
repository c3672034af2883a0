"""What ``benchmarks.timing`` measures, and processes that have done nothing before."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton  # noqa: F401  # imported once here, not in every process
from msgspec import structs

from engine.build.layout import lay_out
from engine.evaluate.registry import plan_for
from engine.measure.gate_page import SIZE
from engine.run import protocol
from engine.run.timing import Series, Timing, take_turns
from engine.run.trusted import TrustedWorker
from engine.run.worker import Worker
from engine.schema import Settings
from engine.store import TraceStore, blob_path


def in_fresh_processes(number: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What a function returns in processes that start as copies of this one, one after another.

    This one must not have touched CUDA.

    Raises:
        RuntimeError: It failed in one.
    """
    found = []
    for _ in range(number):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reading)
                answer = json.dumps(function(*arguments)).encode()
                with os.fdopen(writing, "wb") as end:
                    end.write(answer)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as end:
            text = end.read()
        os.waitpid(pid, 0)
        if not text:
            raise RuntimeError(f"{function.__name__}{arguments} failed")
        found.append(json.loads(text))
    return found


def new_page() -> int:
    """A page for a timer's gate, without a guardian: nothing here waits inside a call."""
    page = os.memfd_create("gate")
    os.ftruncate(page, SIZE)
    return page


class Subject:
    """A solution of the bundled dataset on one workload, ready to be called in this process.

    Args:
        definition: Name.
        solution: Name, or "" for the reference.
        place: Which of the workloads from small to large, from 0 to 1.
        device: Where.
    """

    def __init__(self, definition: str, solution: str, place: float, device: str = "cuda") -> None:
        self._device = device
        with TraceStore.open(wait=True) as store:
            self.definition = store.definition(definition)
            rows = [row for row in store.workloads() if row.definition == definition]
            found = [store.workload(row.uuid, definition) for row in rows]
            found.sort(key=lambda one: self.definition.bytes_of(one.axes))
            self.workload = found[round(place * (len(found) - 1))]
            chosen = store.solution(solution) if solution else None
            blobs = {
                path: str(blob_path(store.layers, path))
                for source in self.workload.inputs.values()
                if (path := getattr(source, "path", None))
            }
        self._trusted = TrustedWorker(device, new_page())
        self._trusted.handle(protocol.LoadReference(definition=self.definition), [])
        plan = plan_for(self.definition, self.workload, Settings(input_sets=1))
        order = protocol.Generate(
            key=1,
            workload=self.workload,
            seed=secrets.token_hex(16),
            evaluator=plan.evaluator,
            blobs=blobs,
        )
        inputs, (memory,) = self._trusted.handle(order, [])
        self.worker: Worker = self._trusted
        if chosen is not None:
            self.worker = self._load(chosen, inputs, memory)

    def _load(self, solution: Any, inputs: protocol.Inputs, memory: int) -> Worker:
        worker = Worker(self._device, new_page())
        folder = lay_out(solution, Path(tempfile.mkdtemp(prefix="subject-")))
        spec = solution.spec
        order = protocol.Load(
            folder=str(folder),
            language=spec.language,
            entry_file=spec.entry_file,
            entry_function=spec.entry_function,
            destination_passing=spec.destination_passing_style,
            inputs=list(self.definition.inputs),
            outputs=list(self.definition.outputs),
        )
        worker.handle(order, [])
        outputs = [
            protocol.TensorMeta(
                name=name,
                dtype=spec.dtype,
                shape=list(self.definition.shape_of(name, self.workload.axes) or ()),
            )
            for name, spec in self.definition.outputs.items()
        ]
        worker.handle(
            protocol.Open(
                key=1,
                order=list(self.definition.inputs),
                tensors=inputs.tensors,
                scalars=inputs.scalars,
                outputs=outputs,
            ),
            [memory],
        )
        return worker

    def call(self) -> Callable[[], Any]:
        """Calls with the same arguments again and again, as other tools do."""
        arguments, destinations = self.worker.prepare_call(1)
        return lambda: self.worker.invoke(arguments, destinations)

    def timing(self, settings: Settings, *, warm: bool = False) -> Timing:
        """Measure as an evaluation does, once the first call has been made."""
        self.call()()
        torch.cuda.synchronize()
        series = Series(lambda order: self.worker.handle(order, [])[0], [1], settings)
        take_turns([series], lambda summary: None)
        if warm:
            series.take_warm()
        return series.timing()

    def flashinfer(self) -> Timing:
        """Measure as flashinfer-bench does."""
        settings = structs.replace(Settings(), timer="flashinfer")
        series = Series(lambda order: self.worker.handle(order, [])[0], [1], settings)
        take_turns([series], lambda summary: None)
        return series.timing()
