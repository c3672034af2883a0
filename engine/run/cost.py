"""How long a request will take, from how long the same and similar evaluations took before."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from engine.run.progress import Cell
from engine.schema.run import Kind

EVALUATION_S = {
    ("cpu", True): 1.0,
    ("cpu", False): 6.0,
    ("cuda", True): 0.8,
    ("cuda", False): 3.0,
}
"""Seconds of an evaluation by kind of device and quick mode, where nothing has been seen."""

STARTUP_S = {"cpu": 0.4, "cuda": 0.6}
"""Seconds to start a process and load a solution, by kind of device, where nothing was seen."""


class Earlier(Struct, frozen=True):
    """What an earlier run has found out.

    Args:
        quick: In which mode it was made.
        cells: Its evaluations; only those that were made in it count.
    """

    quick: bool
    cells: Collection[Cell]


class Cost(Struct, frozen=True):
    """What a request will cost.

    Args:
        count: Evaluations.
        seconds: How long they take in all.
        known_share: Share of the evaluations whose pair, or at least definition, has been seen;
            0 where the seconds are no more than a guess.
    """

    count: int
    seconds: float
    known_share: float


def estimate(
    cells: Iterable[tuple[str, str, str]],
    *,
    device_kind: str,
    quick: bool,
    known: Iterable[Earlier],
    devices: int = 1,
) -> Cost:
    """Estimate how long evaluations will take.

    An evaluation takes as long as the same one did the last time on the same kind of device in
    the same mode; else as those of its definition, else as any other. Each solution is loaded
    once more, which takes as long in either mode.

    Args:
        cells: Definition, solution and workload of each evaluation.
        device_kind: "cpu" or "cuda".
        quick: The mode.
        known: Earlier runs, newest first.
        devices: How many share the work.
    """
    seen = _Seen(device_kind, quick, known)
    count = found = 0
    seconds = 0.0
    solutions: dict[str, None] = {}
    for definition, solution, workload in cells:
        count += 1
        solutions[solution] = None
        took = seen.pairs.get((solution, workload))
        if took is None:
            took = seen.definitions.get(definition)
        found += took is not None
        seconds += seen.any if took is None else took
    seconds += sum(seen.startups.get(name, seen.startup) for name in solutions)
    shared = max(1, min(devices, count))
    return Cost(count, seconds / shared, found / count if count else 0.0)


class _Seen:
    """Times of earlier evaluations: of each pair, and in the middle of those of a definition."""

    def __init__(self, device_kind: str, quick: bool, known: Iterable[Earlier]) -> None:
        self.pairs: dict[tuple[str, str], float] = {}
        self.startups: dict[str, float] = {}
        times: dict[str, list[float]] = {}
        for run in known:
            for cell in run.cells:
                elapsed = cell.elapsed_s
                if cell.phase is not Kind.DONE or elapsed is None:
                    continue
                if not cell.device.startswith(device_kind):
                    continue
                if cell.startup_s is not None:
                    # Told apart, because the next run may begin with another workload.
                    elapsed = max(0.0, elapsed - cell.startup_s)
                    self.startups.setdefault(cell.solution, cell.startup_s)
                if run.quick == quick:
                    self.pairs.setdefault((cell.solution, cell.workload), elapsed)
                    times.setdefault(cell.definition, []).append(elapsed)
        self.definitions = {name: _median(found) for name, found in times.items()}
        every = [seconds for found in times.values() for seconds in found]
        self.any = _median(every) if every else EVALUATION_S[device_kind, quick]
        started = list(self.startups.values())
        self.startup = _median(started) if started else STARTUP_S[device_kind]


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
