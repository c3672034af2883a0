"""What a request will cost before it is made: how many evaluations, and about how long.

Reads lists of the store only, no documents but a definition's, so that it can follow every key in
a dialog. The runner's own plan may differ where files change meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import msgspec

from engine.run.client import runs_dir
from engine.run.cost import Cost, Earlier, estimate
from engine.run.files import RunFolder
from engine.schema import Definition, Status
from engine.schema.run import Settings
from engine.store import TraceRow, TraceStore, WorkloadRow
from fitui import format as form
from fitui.where import exact

RECENT = 20
"""Runs that are looked at for how long something takes."""

Evaluations = list[tuple[str, str, str]]
"""Definition, solution and workload of each."""


class Asked(Protocol):
    """What of a request says which evaluations it means; empty for all."""

    @property
    def definitions(self) -> Sequence[str]:
        """Names."""

    @property
    def solutions(self) -> Sequence[str]:
        """Names."""

    @property
    def workloads(self) -> Sequence[str]:
        """uuids."""

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Exact (solution, workload uuid) cells; where given, only these."""


def evaluations_of(store: TraceStore, asked: Asked, settings: Settings) -> Evaluations:
    """The evaluations that a request means."""
    names = set(asked.solutions) or {name for name, _ in asked.pairs}
    if asked.pairs:
        names &= {name for name, _ in asked.pairs}
    uuids = set(asked.workloads) or {uuid for _, uuid in asked.pairs}
    pairs = set(asked.pairs)
    found: Evaluations = []
    for definition in _definitions(store, asked, names, uuids):
        where = exact("definition", definition)
        solutions = [
            row.name
            for row in store.solutions(where)
            if row.current and (not (asked.solutions or pairs) or row.name in names)
        ]
        workloads = [row for row in store.workloads(where) if not uuids or row.uuid in uuids]
        if settings.quick and not uuids:
            workloads = _smallest(store.definition(definition), workloads, settings)
        found += [
            (definition, solution, work.uuid)
            for solution in solutions
            for work in workloads
            if not pairs or (solution, work.uuid) in pairs
        ]
    return found


def _definitions(
    store: TraceStore, asked: Asked, names: set[str], uuids: set[str]
) -> Iterable[str]:
    known = [row.name for row in store.definitions(sort="name")]
    if asked.definitions:
        return [name for name in known if name in asked.definitions]
    if names:
        wanted = {row.definition for row in store.solutions() if row.name in names}
        known = [name for name in known if name in wanted]
    if uuids:
        wanted = {row.definition for row in store.workloads() if row.uuid in uuids}
        known = [name for name in known if name in wanted]
    return known


def _smallest(
    definition: Definition, rows: list[WorkloadRow], settings: Settings
) -> list[WorkloadRow]:
    def size(row: WorkloadRow) -> tuple[float, list[int]]:
        try:
            nbytes = float(definition.bytes_of(row.axes))
        except KeyError:
            nbytes = float("inf")
        return nbytes, list(row.axes.values())

    return sorted(rows, key=size)[: settings.quick_workloads]


def without_done(
    store: TraceStore,
    evaluations: Evaluations,
    hardware: Iterable[str],
    same_way: Callable[[TraceRow], bool],
    *,
    retry_failed: bool = False,
) -> Evaluations:
    """Evaluations of which the latest trace does not stand for another.

    That is nearly what ``--resume`` leaves: an older trace that would stand is not looked for,
    and versions of torch and the driver are taken to be the same.

    Args:
        store: With the traces.
        evaluations: What is asked for.
        hardware: Models of the devices that it is asked for.
        same_way: True for a trace that was made with the same settings.
        retry_failed: Only a trace that passed stands.
    """
    models = set(hardware)
    done = {
        (row.definition, row.solution, row.workload)
        for name in dict.fromkeys(definition for definition, _, _ in evaluations)
        for row in store.matrix(name)
        if row.hardware in models
        and not (retry_failed and row.status != Status.PASSED)
        and same_way(row)
    }
    return [item for item in evaluations if item not in done]


def missing_of(
    store: TraceStore,
    evaluations: Evaluations,
    hardware: Collection[str],
    made_for: Callable[[TraceRow], str],
) -> Evaluations:
    """Evaluations that have no result of how things are now.

    A trace that does not say what version of a solution or a definition it is of is taken to be
    of the one that is there.

    Args:
        store: With the traces.
        evaluations: What is asked for.
        hardware: Models of device on which a result counts; empty for any.
        made_for: Content hash of the definition that a trace is of, "" where it does not say.
    """
    done: set[tuple[str, str, str]] = set()
    for name in dict.fromkeys(definition for definition, _, _ in evaluations):
        content = store.definition(name).content_hash()
        axes = {row.uuid: row.axes for row in store.workloads(exact("definition", name))}
        # Only traces of what the solutions are now, the latest of each cell.
        for row in store.matrix(name):
            if hardware and row.hardware not in hardware:
                continue
            if axes.get(row.workload) == row.axes and made_for(row) in ("", content):
                done.add((name, row.solution, row.workload))
    return [item for item in evaluations if item not in done]


def made_with(state: Path, settings: Settings) -> Callable[[TraceRow], bool]:
    """A test whether a trace was made with given settings, as the request of its run says."""

    @cache
    def same(run: str) -> bool:
        try:
            return RunFolder(runs_dir(state) / run).read_request().settings == settings
        except (OSError, msgspec.DecodeError):
            return False

    return lambda row: bool(row.run) and "/" not in row.run and same(row.run)


def cost_of(
    evaluations: Evaluations, devices: Sequence[str], quick: bool, known: Iterable[Earlier]
) -> Cost:
    """What evaluations will cost on some devices, by what earlier runs took."""
    kind = "cpu" if list(devices) == ["cpu"] else "cuda"
    number = sum(name.startswith(kind) for name in devices)
    return estimate(evaluations, device_kind=kind, quick=quick, known=known, devices=number)


def cost_words(cost: Cost, *, guess: bool = False) -> str:
    """``288 evaluations, about 3 min``.

    Args:
        cost: As estimated.
        guess: Give a time also where nothing like it has been seen, and say that it is a guess.
    """
    words = form.count(cost.count, "evaluation")
    if not cost.count or not (cost.known_share or guess):
        return words
    return f"{words}, {time_words(cost)}"


def time_words(cost: Cost) -> str:
    """``about 3 min``; ``perhaps 3 min`` where nothing like it has been seen."""
    return f"{'about' if cost.known_share else 'perhaps'} {form.rough(cost.seconds)}"
