"""What ``--resume`` finds done: evaluations made in the same way, of the same things."""

from __future__ import annotations

from collections.abc import Collection
from importlib import metadata

from engine.run.devices import Device
from engine.run.plan import Job
from engine.run.record import settings_hash
from engine.schema.names import Status
from engine.schema.run import Request
from engine.store import TraceStore
from engine.store.rows import TraceRow

_VERSIONS = ("torch", "triton")


def done_before(
    store: TraceStore, job: Job, request: Request, devices: Collection[Device]
) -> dict[str, TraceRow]:
    """Earlier evaluations that stand for some of a job's.

    The same content of solution and definition, workload, settings, model of device, driver, and
    versions of torch and triton.

    Args:
        store: With the traces.
        job: What is planned.
        request: ``retry_failed``: only those that passed stand.
        devices: That the run may use.

    Returns:
        By the id of the planned evaluation.
    """
    hardware = {device.hardware: device.driver for device in devices}
    versions = installed_versions()
    settings = settings_hash(request.settings)
    definition = job.definition.content_hash()
    found: dict[str, TraceRow] = {}
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
                and libs.get("driver", "") == hardware[row.hardware]
                and all(libs.get(key, "") == value for key, value in versions.items())
            )
            if same:
                found[cell.evaluation] = row
    return found


def installed_versions() -> dict[str, str]:
    """Versions of the packages that decide how fast a kernel is, "" for those not there."""
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def _of(definition: str, solution: str) -> str:
    return f'def:"{definition}" sol:"{solution}"'
