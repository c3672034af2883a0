"""How many copies of inputs a device has room for."""

from __future__ import annotations

import os

import pytest
import torch

from engine.run import protocol, worker
from engine.run.room import device_memory, has_room_for_copies, most_sets
from engine.run.tensors import write_tensors
from engine.run.worker import SAME_INPUTS, InputSet, Worker

GIB = 1 << 30


@pytest.mark.parametrize(
    ("gib", "sets", "copies"),
    [(1, 57, True), (10, 3, True), (16, 1, True), (19, 1, True), (25, 1, False), (60, 1, False)],
)
def test_two_processes_hold_each_set_and_two_copies_of_one(
    gib: int, sets: int, copies: bool
) -> None:
    assert most_sets(gib * GIB, 140 * GIB) == sets
    assert has_room_for_copies(gib * GIB, 140 * GIB) is copies


def test_what_is_said_to_fit_fits() -> None:
    memory = 80 * GIB
    for nbytes in range(GIB // 4, 40 * GIB, GIB // 4):
        sets = most_sets(nbytes, memory)
        assert sets is not None
        copies = 2 if has_room_for_copies(nbytes, memory) else 0
        assert 2 * (sets + copies) * nbytes <= memory


def test_the_host_and_inputs_of_no_size_have_no_limit() -> None:
    assert device_memory(torch.device("cpu")) == 0
    assert most_sets(GIB, 0) is None
    assert most_sets(0, 80 * GIB) is None
    assert has_room_for_copies(1000 * GIB, 0)


def opened(device: torch.device) -> InputSet:
    metas, descriptor = write_tensors({"x": torch.arange(5.0)}, "inputs")
    order = protocol.Open(key=1, order=["x"], tensors=metas, scalars={}, outputs=[])
    try:
        return InputSet(order, descriptor, device)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("memory", "same"), [(0, False), (10_000, False), (100, True)])
def test_without_room_every_call_gets_the_same_tensors_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, memory: int, same: bool
) -> None:
    monkeypatch.setattr(worker, "device_memory", lambda device: memory)
    inputs = opened(torch.device("cpu"))
    (first,), (second,) = inputs.arguments(), inputs.arguments()
    assert torch.equal(first, torch.arange(5.0))
    assert (first.data_ptr() == second.data_ptr()) is same

    child = Worker("cpu", -1)
    child._sets[1] = inputs
    child.set_reference(lambda x: x + 1, ["y"])
    ticks, _ = child.handle(protocol.Block(keys=[1], n=2), [])
    assert (SAME_INPUTS in ticks.flags) is same
