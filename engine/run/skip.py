"""What ``--resume`` finds done: evaluations made in the same way, of the same things."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import metadata

from engine.run.devices import Device
from engine.run.plan import Job
from engine.run.record import settings_hash
from engine.schema.names import Status
from engine.schema.run import Request
from engine.schema.timers import best_of
from engine.store import TraceStore
from engine.store.rows import TraceRow

_VERSIONS = ("torch", "triton")
_TIMER = "cupti-python"
"""With it or without, the same settings give another timer."""


def done_before(
    store: TraceStore, job: Job, request: Request, devices: Collection[Device]
) -> dict[str, TraceRow]:
    """Earlier evaluations that stand for some of a job's.

    The same content of solution and definition, workload, settings, model of device, driver, and
    versions of torch and triton, and on a GPU of cupti-python, which decides about the timer. Of
    what was timed on one model of device by several timers, only that by the best of them stands,
    so that the rest can be made by the same one.

    Args:
        store: With the traces.
        job: What is planned.
        request: ``retry_failed``: only those that passed stand.
        devices: That the run may use.

    Returns:
        By the id of the planned evaluation.
    """
    hardware = {device.hardware: _libs(device) for device in devices}
    settings = settings_hash(request.settings)
    definition = job.definition.content_hash()
    found: list[tuple[str, TraceRow]] = []
    for name, cells in job.cells.items():
        content = cells[0].solution.content_hash()
        wanted = {cell.workload.uuid: cell for cell in cells}
        for row in store.traces(_of(job.definition.name, name), sort="time", limit=None):
            cell = wanted.get(row.workload)
            if cell is None or row.version != content or row.hardware not in hardware:
                continue
            if row.axes != cell.workload.axes:
                continue
            if request.retry_failed and row.status != Status.PASSED:
                continue
            trace = store.trace(row.id).evaluation
            libs = trace.environment.libs if trace is not None else {}
            same = (
                libs.get("fitui.definition") == definition
                and libs.get("fitui.settings") == settings
                and all(libs.get(key, "") == value for key, value in hardware[row.hardware].items())
            )
            if same:
                found.append((cell.evaluation, row))
    return _by_one_timer(found)


def _by_one_timer(found: Sequence[tuple[str, TraceRow]]) -> dict[str, TraceRow]:
    """The newest of each that was not timed, or by the best timer on that model of device."""
    timers: dict[str, set[str]] = {}
    for _, row in found:
        if row.timer:
            timers.setdefault(row.hardware, set()).add(row.timer)
    best = {hardware: best_of(names) for hardware, names in timers.items()}
    return {
        evaluation: row for evaluation, row in found if row.timer in ("", best.get(row.hardware))
    }


def _libs(device: Device) -> dict[str, str]:
    """What decides how fast a kernel is on a device and by which timer; "" for what is not there.

    On the CPU device there is one timer only.
    """
    names = _VERSIONS if device.name == "cpu" else (*_VERSIONS, _TIMER)
    return {"driver": device.driver, **{name: _installed(name) for name in names}}


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _of(definition: str, solution: str) -> str:
    return f'def:"{definition}" sol:"{solution}"'
