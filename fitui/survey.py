"""What the evaluations of a run tell about it as a whole: at work, waiting, how long still.

Pure functions over what the events say, for the screens and the command line. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from engine.run.progress import Cell
from engine.schema.run import Kind

_UNBEGUN = (Kind.QUEUED, Kind.WAITING)
_WAITING = "waiting for "


class Survey(Struct, frozen=True):
    """A run at one moment.

    Args:
        standing: Its state, but "queued" also for a run that has been taken on and of which
            nothing has begun.
        active: An evaluation that is being made.
        waits_for: What keeps a run that goes on from going on, or "".
        left_s: Seconds until it ends if the rest takes what has ended took, on the same workload
            where something has ended on it; None where that cannot be told.
    """

    standing: str
    active: Cell | None
    waits_for: str
    left_s: float | None


def survey(state: str, cells: Iterable[Cell]) -> Survey:
    """Look over a run.

    Args:
        state: As its handle has it.
        cells: Its evaluations.
    """
    active: Cell | None = None
    waiting = ""
    begun = False
    left: list[str] = []
    took: dict[str, list[float]] = {}
    devices: set[str] = set()
    for cell in cells:
        if cell.phase is Kind.DONE:
            begun = True
            devices.add(cell.device)
            if cell.elapsed_s is not None:
                took.setdefault(cell.workload, []).append(cell.elapsed_s)
        elif not cell.ended:
            left.append(cell.workload)
            if cell.phase is Kind.WAITING:
                waiting = waiting or cell.message
            elif cell.phase not in _UNBEGUN:
                begun, active = True, active or cell
    standing = "queued" if state == "running" and not begun else state
    left_s = None
    if state in ("running", "paused") and took and left:
        every = [seconds for found in took.values() for seconds in found]
        usual = sum(every) / len(every)
        means = {workload: sum(found) / len(found) for workload, found in took.items()}
        left_s = sum(means.get(workload, usual) for workload in left) / len(devices)
    return Survey(standing, active, _reason(state, standing, active, waiting), left_s)


def _reason(state: str, standing: str, active: Cell | None, waiting: str) -> str:
    if active is not None or standing not in ("queued", "running"):
        return ""
    if waiting:
        return waiting.removeprefix(_WAITING)
    if standing == "queued":
        return "its turn" if state == "running" else "a runner"
    return ""
