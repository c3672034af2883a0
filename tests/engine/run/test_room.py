"""How many copies of inputs a device has room for."""

from __future__ import annotations

import pytest
import torch

from engine.run.room import device_memory, has_room_for_copies, most_sets

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
