"""Lines of older and newer programs: read as far as they make sense, and labelled.

What flashinfer-bench 0.1.x reads is read by ``engine.schema``. Public datasets also hold lines
without ``workload.uuid``, with ``environment.device`` for ``hardware``, with an evaluation that
is ``{}``, with the log in a file of its own (``log_file``), and with statuses outside the seven.
A label is a problem of the first such line of a file; the line itself is a row like any other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine.schema import Problem, SchemaError, Status, Trace, decode
from engine.schema.hashing import digest
from engine.store.lines import BOM, open_for_reading, read_range

UNKNOWN = "UNKNOWN"
"""Status of an evaluation that says nothing."""

_STATUSES = frozenset(Status)
_SHOWN = 2 << 20
_MARKERS = (b"<<<<<<< ", b"||||||| ", b"=======\n", b"=======\r\n", b">>>>>>> ")


class Reading(NamedTuple):
    """A line and what is unusual about it.

    Args:
        item: The line in today's form.
        labels: One per older or newer habit, each with its field.
    """

    item: Trace
    labels: tuple[Problem, ...] = ()


def read_line(data: bytes, line: int | None = None) -> Reading:
    """Read a line of a workload or trace file, in whatever form it is.

    Args:
        data: Its bytes.
        line: Its number, for an error.

    Raises:
        SchemaError: It makes no sense in any form.
    """
    text = data.removeprefix(BOM)
    try:
        return Reading(decode(text, Trace, line=line))
    except SchemaError:
        if data.startswith(_MARKERS):
            message = "a conflict marker of Git; the lines of both sides are read"
            raise SchemaError(Problem(message=message, line=line)) from None
        reading = _other_form(text, line)
        if reading is None:
            raise
        return reading


def _other_form(text: bytes, line: int | None) -> Reading | None:
    """The line by way of today's form, or None where nothing in it is of another form."""
    readable, repaired = text, False
    try:
        text.decode()
    except UnicodeDecodeError:
        readable, repaired = text.decode("utf-8", "replace").encode(), True
    try:
        raw = json.loads(readable)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or (repaired and _beyond_log(raw)):
        return None
    labels: list[Problem] = []
    status, compared = _modernise(raw, labels)
    if not labels and not repaired:
        return None
    item = decode(json.dumps(raw), Trace, line=line)
    if item.evaluation is not None and status:
        item.evaluation.status = _foreign(status)
        item.evaluation.correctness = item.evaluation.correctness if compared else None
        if status == UNKNOWN:
            item.evaluation.timestamp = ""
    return Reading(item, tuple(labels))


def _beyond_log(raw: dict[str, Any]) -> bool:
    """True where text outside of the log was no UTF-8."""
    evaluation = raw.get("evaluation")
    if not isinstance(evaluation, dict):
        return True
    rest = {**raw, "evaluation": {**evaluation, "log": ""}}
    return "\ufffd" in json.dumps(rest, ensure_ascii=False)


def _modernise(raw: dict[str, Any], labels: list[Problem]) -> tuple[str, bool]:
    """Turn a line into today's form, in place.

    Returns:
        The status where it is not one of the seven, and whether there is a correctness block.
    """
    workload = raw.get("workload")
    if isinstance(workload, dict) and not workload.get("uuid"):
        workload["uuid"] = _hash(workload)
        labels.append(_older("workload.uuid", "a hash of axes and inputs stands in for it"))
    evaluation = raw.get("evaluation")
    if not isinstance(evaluation, dict):
        return "", False
    if not evaluation:
        labels.append(_older("evaluation", f"an evaluation without content is shown as {UNKNOWN}"))
        if not raw.get("solution"):
            raw["solution"] = raw["evaluation"] = None
            return "", False
        evaluation.update(status=UNKNOWN, environment={"hardware": UNKNOWN}, timestamp=UNKNOWN)
    environment = evaluation.get("environment")
    if isinstance(environment, dict) and "hardware" not in environment and "device" in environment:
        environment["hardware"] = environment["device"]
        labels.append(_older("evaluation.environment.device", "it is read as hardware"))
    status = evaluation.get("status")
    if not isinstance(status, str) or not status or status in _STATUSES:
        return "", False
    if status != UNKNOWN:
        message = f"status {status!r} is not one that flashinfer-bench knows; it is kept as it is"
        labels.append(Problem(message=message, field="evaluation.status"))
    return status, _stand_in(evaluation)


def _stand_in(evaluation: dict[str, Any]) -> bool:
    """Give an evaluation a known status whose rules it follows, for as long as it is decoded."""
    compared = evaluation.get("correctness") is not None
    if evaluation.get("performance") is not None:
        evaluation["status"] = Status.PASSED.value
        evaluation["correctness"] = evaluation["correctness"] if compared else {}
    else:
        known = Status.INCORRECT_NUMERICAL if compared else Status.RUNTIME_ERROR
        evaluation["status"] = known.value
    return compared


def _older(field: str, message: str) -> Problem:
    return Problem(message=f"older schema: {message}", field=field)


def _hash(workload: dict[str, Any]) -> str:
    parts = [workload.get("axes"), workload.get("inputs")]
    return digest([json.dumps(part, sort_keys=True) for part in parts])


def _foreign(text: str) -> Status:
    """A status outside the seven; equal to its text, and to no known one."""
    member = str.__new__(Status, text)
    member._name_ = member._value_ = text
    return member


def log_beside(layer: Path, file: Path, data: bytes) -> str | None:
    """The log of a line that names a file for it.

    Args:
        layer: Folder that must hold the file.
        file: The trace file.
        data: The line.

    Returns:
        Its text (the first two MiB), a sentence where it cannot be read, or None where the line
        names none.
    """
    if b'"log_file"' not in data:
        return None
    try:
        name = json.loads(data.decode("utf-8", "replace"))["evaluation"]["log_file"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(name, str) or not name:
        return None
    if PurePosixPath(name).is_absolute() or "\0" in name:
        return f"(The log is in {name}, outside of the dataset.)"
    for folder in (file.parent, layer):
        path = folder / name
        if not path.resolve().is_relative_to(layer.resolve()):
            return f"(The log is in {name}, outside of the dataset.)"
        if path.is_file():
            return _beginning(path)
    return f"(The log is in {name}, which is missing.)"


def _beginning(path: Path) -> str:
    try:
        descriptor = open_for_reading(path)
    except OSError as error:
        return f"(The log cannot be read: {error.strerror}.)"
    try:
        return read_range(descriptor, 0, _SHOWN).decode("utf-8", "replace")
    finally:
        os.close(descriptor)
