"""Exceptions of user code as text: the user's frames, bounded, and always sendable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch

from engine.measure.statistics import summarise
from engine.measure.timers import CpuTimer
from engine.run.protocol import Failure
from engine.run.traceback_text import LIMIT, failure_of


def raised(error: BaseException) -> Failure:
    try:
        raise error
    except BaseException as caught:
        return failure_of(caught)


def test_an_exception_is_named_with_text_and_traceback() -> None:
    failure = raised(ValueError("no luck"))
    assert (failure.kind, failure.error, failure.message) == ("raised", "ValueError", "no luck")
    assert failure.trace.startswith("Traceback (most recent call last):")
    assert "in raised" in failure.trace
    assert failure.trace.endswith("ValueError: no luck\n")


@pytest.mark.parametrize("error", [MemoryError("a lot"), torch.cuda.OutOfMemoryError("more")])
def test_running_out_of_memory_is_told_apart(error: BaseException) -> None:
    assert raised(error).kind == "out_of_memory"


def test_a_kernel_that_does_not_compile_is_a_failed_build() -> None:
    class CompilationError(Exception):
        """As Triton's."""

    assert raised(CompilationError("at 3:4")).kind == "build"


def test_the_caller_may_know_the_kind() -> None:
    assert failure_of(ValueError("x"), "outputs").kind == "outputs"


def from_the_engine_on(call: Callable[[], object]) -> Failure:
    """As a worker sees it: called by the engine, without this test's own frames above."""
    try:
        CpuTimer().measure(call)
    except BaseException as error:
        assert error.__traceback__ is not None
        return failure_of(error.with_traceback(error.__traceback__.tb_next))
    raise AssertionError("it did not raise")


def test_this_programs_frames_above_the_users_are_left_out() -> None:
    def users_code() -> None:
        raise RuntimeError("inside")

    trace = from_the_engine_on(users_code).trace
    assert "in users_code" in trace
    assert "timers.py" not in trace


def test_this_programs_frames_below_the_users_are_kept() -> None:
    trace = from_the_engine_on(lambda: summarise([])).trace
    assert "in summarise" in trace


def test_where_no_frame_is_the_users_none_is_shown() -> None:
    call: Any = 5
    failure = from_the_engine_on(call)
    assert failure.trace == "TypeError: 'int' object is not callable\n"


def test_an_exception_without_a_text_is_still_reported() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise Odd

    failure = raised(Odd())
    assert (failure.error, failure.message) == ("Odd", "(its text cannot be made)")
    assert "Odd" in failure.trace


def test_endless_text_is_cut_in_the_middle() -> None:
    failure = raised(ValueError("begin" + "x" * 200_000 + "end"))
    assert len(failure.message) == LIMIT
    assert len(failure.trace) < LIMIT + 100
    assert failure.trace.startswith("Traceback")
    assert failure.trace.endswith("end\n")
    assert " characters ...\n" in failure.trace


def test_half_a_surrogate_pair_can_be_sent() -> None:
    failure = raised(FileNotFoundError(2, "gone", "caf\udce9"))
    assert "caf" in failure.message
    assert msgspec.json.decode(msgspec.json.encode(failure), type=Failure) == failure


def test_an_exception_that_was_never_raised_has_no_frames() -> None:
    assert failure_of(ValueError("cold")).trace == "ValueError: cold\n"
