"""The one child program: load, take inputs, make calls, send outputs. Driven by the runner.

It reports raw ticks, raw bytes and exceptions; medians and verdicts are made elsewhere. In the
trusted role (``engine.run.trusted``) the same program runs the reference, makes inputs and
compares outputs; only there do expected outputs exist.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import torch

from engine.build.library import load_library
from engine.build.loader import BuildFailure, load_entry
from engine.measure.cpu import timing_cpus
from engine.measure.flashinfer_timer import FlashinferTimer
from engine.measure.timers import CannotMeasure, Sample, Timer, make_timer, make_trial_timer
from engine.measure.trials import ALL_TIMED, TRIALS
from engine.run import protocol
from engine.run.channel import Channel, ChannelClosed, ProtocolError
from engine.run.memory import map_sealed, write_sealed
from engine.run.room import device_memory, give_back, has_room_for_copies
from engine.run.tensors import describe, fresh_copy, poisoned, read_tensors
from engine.run.traceback_text import failure_of
from engine.schema.timers import FLASHINFER

Reply = tuple[Any, tuple[int, ...]]
MOST_KERNELS = 2000
"""Device activities of a call that are told; with LONGEST_NAME, a message always holds them."""
SAME_INPUTS = "same inputs"
"""Flag: there was no room for fresh copies of the inputs for every call."""
LONGEST_NAME = 500
"""Characters of a kernel's name; those of templates can have thousands."""


class InputSet:
    """One set of inputs on the device, with a pristine copy of every tensor.

    Attributes:
        same: There is no room for copies: every call gets the same tensors.
    """

    def __init__(self, message: protocol.Open, descriptor: int, device: torch.device) -> None:
        memory = map_sealed(descriptor)
        tensors = read_tensors(message.tensors, memory)
        self._pristine = {name: tensor.to(device) for name, tensor in tensors.items()}
        if device.type == "cpu":
            self._pristine = {name: tensor.clone() for name, tensor in self._pristine.items()}
        self._scalars = message.scalars
        self._order = message.order
        self._outputs = message.outputs
        self._device = device
        nbytes = sum(meta.nbytes for meta in message.tensors)
        self.same = not has_room_for_copies(nbytes, device_memory(device))

    def arguments(self) -> list[Any]:
        """Fresh copies of the inputs where there is room, in the order of the definition."""
        return [self._argument(name) for name in self._order]

    def _argument(self, name: str) -> Any:
        tensor = self._pristine.get(name)
        if tensor is None:
            return self._scalars[name]
        return tensor if self.same else fresh_copy(tensor)

    def destinations(self) -> list[torch.Tensor]:
        """Poisoned tensors for the outputs."""
        return [poisoned(meta, self._device) for meta in self._outputs]


class Worker:
    """State of one child.

    Args:
        device: "cpu" or "cuda".
        page: Memory file shared with the guardian.
    """

    def __init__(self, device: str, page: int) -> None:
        self.device = torch.device(device)
        self.page = page
        self._entry: Callable[..., Any] | None = None
        self._destination_passing = True
        self._output_names: list[str] = []
        self._sets: dict[int, InputSet] = {}
        self._timers: dict[str, Timer] = {}
        self._trial_timer: FlashinferTimer | None = None
        self._last: list[Any] = []

    def handle(self, message: Any, descriptors: list[int]) -> Reply:
        """Carry out one order; raises whatever the user's code raises."""
        started = time.monotonic()
        match message:
            case protocol.Load():
                self._load(message)
            case protocol.Open():
                self._sets[message.key] = InputSet(message, descriptors[0], self.device)
            case protocol.Call():
                return self._call(message)
            case protocol.Block() if message.timer == FLASHINFER:
                return self._trials(message)
            case protocol.Block():
                return self._block(message)
            case protocol.Export():
                return self._export([self._last])
            case protocol.Close():
                for key in message.keys:
                    self._sets.pop(key, None)
                self._last = []
                give_back(self.device)
            case _:
                raise ProtocolError(f"this role does not answer {type(message).__name__}")
        return protocol.Done(seconds=time.monotonic() - started), ()

    def _load(self, message: protocol.Load) -> None:
        self._destination_passing = message.destination_passing
        self._output_names = message.outputs
        if message.library:
            self._entry = load_library(message.library, message.binding, message.entry_function)
            return
        self._entry = load_entry(
            message.folder,
            message.entry_file,
            message.entry_function,
            arguments=len(message.inputs)
            + (len(message.outputs) if message.destination_passing else 0),
            destination_passing=message.destination_passing,
        )

    def set_reference(self, entry: Callable[..., Any], outputs: list[str]) -> None:
        """Use a reference, which returns its outputs, as the entry function."""
        self._entry, self._destination_passing = entry, False
        self._output_names = outputs

    def invoke(self, arguments: list[Any], destinations: list[Any]) -> Any:
        """Call the entry function once; the only user code in a timed window."""
        assert self._entry is not None
        return self._entry(*arguments, *destinations)

    def prepare_call(self, key: int) -> tuple[list[Any], list[Any]]:
        """Arguments and destinations for one call on a set."""
        chosen = self._sets[key]
        destinations = chosen.destinations() if self._destination_passing else []
        return chosen.arguments(), destinations

    def outputs_of(self, result: Any, destinations: list[Any]) -> list[Any]:
        """The outputs of a call, whichever style it was made in."""
        if self._destination_passing:
            return destinations
        return list(result) if isinstance(result, (tuple, list)) else [result]

    def _call(self, message: protocol.Call) -> Reply:
        started = time.monotonic()
        gathered = []
        for _ in range(message.repeat):
            arguments, destinations = self.prepare_call(message.key)
            result = self.invoke(arguments, destinations)
            self.synchronize()
            gathered.append(self.outputs_of(result, destinations))
        reply, descriptors = self._export(gathered)
        reply.seconds = time.monotonic() - started
        return reply, descriptors

    def _block(self, message: protocol.Block) -> Reply:
        timer = self._timers.get(message.timer)
        if timer is None:
            timer = self._timers[message.timer] = make_timer(self.device, self.page, message.timer)
        samples: list[Sample] = []
        gc.disable()
        try:
            # Unblocked first: lazy loading, autotuning and the allocator may synchronise.
            for position in range(message.warmup):
                self.invoke(*self.prepare_call(message.keys[position % len(message.keys)]))
                self.synchronize()
            timer.begin(afresh=message.warmup > 0)
            for position in range(message.n):
                key = message.keys[position % len(message.keys)]
                with timer.preparing():
                    arguments, destinations = self.prepare_call(key)
                self._last = []
                call = partial(self.invoke, arguments, destinations)
                sample = timer.measure(call, cold=message.cold)
                # Only the last outputs are kept; those of a whole block may not fit.
                self._last, sample.result = self.outputs_of(sample.result, destinations), None
                samples.append(sample)
            timer.settle(samples)
        finally:
            gc.enable()
        ticks = _ticks(timer.name, samples)
        if any(self._sets[key].same for key in message.keys if key in self._sets):
            ticks.flags.append(SAME_INPUTS)
        return ticks, ()

    def _trials(self, message: protocol.Block) -> Reply:
        """flashinfer-bench's trials: each on a set of its own, with the same arguments throughout.

        No outputs are kept, since its calls keep none.
        """
        if message.n != ALL_TIMED:
            raise CannotMeasure(f"the timer {FLASHINFER!r} times {ALL_TIMED} calls, never fewer")
        timer = self._trial_timer = self._trial_timer or make_trial_timer(self.device)
        self._last = []
        samples: list[Sample] = []
        gc.disable()
        try:
            for trial in range(TRIALS):
                arguments = self.prepare_call(message.keys[trial % len(message.keys)])
                samples += timer.trial(partial(self.invoke, *arguments))
        finally:
            gc.enable()
        return _ticks(timer.name, samples), ()

    def _export(self, calls: list[list[Any]]) -> Reply:
        """Send the outputs of one or several calls, one after another."""
        metas: list[protocol.TensorMeta] = []
        parts: list[memoryview] = []
        offset = 0
        for outputs in calls:
            for position, value in enumerate(outputs):
                names = self._output_names
                name = names[position] if position < len(names) else f"output {position}"
                meta, part, offset = describe(name, value, offset)
                metas.append(meta)
                if part is not None:
                    parts.append(part)
        return protocol.Outputs(tensors=metas), (write_sealed(parts),)

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def _ticks(timer: str, samples: list[Sample]) -> protocol.Ticks:
    """What is told of a block; the device activities are those of its last call."""
    kernels = samples[-1].kernels if samples else []
    flags = {flag for sample in samples for flag in sample.flags}
    if len(kernels) > MOST_KERNELS:
        flags.add(f"more than {MOST_KERNELS} device activities")
    # Zero is what a sample says that does not know.
    known = any(sample.activities for sample in samples)
    clocked = any(sample.clock_mhz for sample in samples)
    return protocol.Ticks(
        timer=timer,
        device_ns=[sample.device_ns for sample in samples],
        host_ns=[sample.host_ns for sample in samples],
        busy_ns=[sample.busy_ns for sample in samples] if known else [],
        activities=[sample.activities for sample in samples] if known else [],
        clock_mhz=[sample.clock_mhz for sample in samples] if clocked else [],
        kernels=[(name[:LONGEST_NAME], took) for name, took in kernels[:MOST_KERNELS]],
        flags=sorted(flags),
    )


def serve(worker: Worker, conversation: Channel[Any]) -> None:
    """Answer orders until the runner closes the conversation."""
    while True:
        try:
            message, descriptors = conversation.receive()
        except ChannelClosed:
            return
        reply: Any
        sent: tuple[int, ...] = ()
        try:
            reply, sent = worker.handle(message, descriptors)
        except ProtocolError:
            raise
        except BuildFailure as error:
            reply = protocol.Failure(
                kind="build", error=error.type, message=error.message, trace=error.trace
            )
        except CannotMeasure as error:
            reply = protocol.Failure(kind="timer", error="CannotMeasure", message=str(error))
        except BaseException as error:
            reply = failure_of(error)
        _flush_output()
        conversation.send(reply, sent)
        for descriptor in (*sent, *descriptors):
            os.close(descriptor)


def _flush_output() -> None:
    """Let go what was printed; user code may have closed or replaced the streams."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def main(trusted: bool, device: str, channel: int, page: int) -> int:
    """Be a child until the runner is done with it.

    Args:
        trusted: Take the reference's role.
        device: "cpu", "cuda" or ``protocol.DRY``.
        channel: Descriptor of the conversation with the runner.
        page: Descriptor of the memory file shared with the guardian.

    Returns:
        Exit code.
    """
    faulthandler.enable()
    # Asked for by the runner before it kills a child that takes too long.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    if device == "cpu":
        os.sched_setaffinity(0, timing_cpus())
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.set_grad_enabled(False)
    kind: Any = protocol.ToChild
    conversation: Channel[Any] = Channel(socket.socket(fileno=channel), kind)
    worker: Worker
    if device == protocol.DRY:
        from engine.run.dry import DryWorker

        worker = DryWorker(page)
    elif trusted:
        from engine.run.trusted import TrustedWorker

        worker = TrustedWorker(device, page)
    else:
        worker = Worker(device, page)
    started = time.monotonic()
    if device not in ("cpu", protocol.DRY):
        torch.zeros(1, device=device)
        torch.cuda.synchronize()
    conversation.send(protocol.Ready(pid=os.getpid(), seconds=time.monotonic() - started))
    serve(worker, conversation)
    return 0


if __name__ == "__main__":
    role, where, channel_number, page_number = sys.argv[1:]
    sys.exit(main(role == "trusted", where, int(channel_number), int(page_number)))
