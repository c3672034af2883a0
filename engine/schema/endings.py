"""The one table from how an evaluation ended to the status that its trace carries."""

from __future__ import annotations

from enum import StrEnum

from engine.schema.names import Status


class Ending(StrEnum):
    """Every way in which an evaluation can end with a verdict."""

    PASSED = "passed"
    WRONG_SHAPE = "wrong_shape"
    WRONG_DTYPE = "wrong_dtype"
    WRONG_VALUES = "wrong_values"
    WRONG_OUTPUTS = "wrong_outputs"
    BUILD_FAILED = "build_failed"
    BUILD_TIMED_OUT = "build_timed_out"
    RAISED = "raised"
    OUT_OF_MEMORY = "out_of_memory"
    EXITED = "exited"
    KILLED_BY_SIGNAL = "killed_by_signal"
    PROTOCOL_VIOLATION = "protocol_violation"
    TIMED_OUT = "timed_out"


STATUS_OF: dict[Ending, Status] = {
    Ending.PASSED: Status.PASSED,
    Ending.WRONG_SHAPE: Status.INCORRECT_SHAPE,
    Ending.WRONG_DTYPE: Status.INCORRECT_DTYPE,
    Ending.WRONG_VALUES: Status.INCORRECT_NUMERICAL,
    Ending.WRONG_OUTPUTS: Status.RUNTIME_ERROR,
    Ending.BUILD_FAILED: Status.COMPILE_ERROR,
    Ending.BUILD_TIMED_OUT: Status.TIMEOUT,
    Ending.RAISED: Status.RUNTIME_ERROR,
    Ending.OUT_OF_MEMORY: Status.RUNTIME_ERROR,
    Ending.EXITED: Status.RUNTIME_ERROR,
    Ending.KILLED_BY_SIGNAL: Status.RUNTIME_ERROR,
    Ending.PROTOCOL_VIOLATION: Status.RUNTIME_ERROR,
    Ending.TIMED_OUT: Status.TIMEOUT,
}
"""Total: a test holds that every ending is here."""
