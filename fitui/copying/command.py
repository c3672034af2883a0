"""Commands that repeat something, as a shell takes them. Pure functions; knows no store."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from engine.schema.run import Busy, Request
from engine.schema.timers import FLASHINFER
from engine.store import resolve_layers
from fitui import format as form


def dataset_options(layers: Sequence[Path]) -> list[str]:
    """Options by which a command finds the same dataset; none where it is the usual one.

    Args:
        layers: Folders of the dataset, lowest first.
    """
    wanted = list(layers)
    root, overlay = f"--dataset={layers[0]}", f"--overlay={layers[-1]}"
    for options, arguments in (([], {}), ([root], {"dataset": layers[0]})):
        try:
            if resolve_layers(**arguments) == wanted:
                return options
        except FileNotFoundError:
            pass
    return [root, overlay]


def bench_command(
    *,
    definition: str = "",
    solution: str = "",
    workloads: Sequence[str] = (),
    where: str = "",
    device: str,
    quick: bool = False,
    timer: str = "",
    rest: Sequence[str] = (),
) -> str:
    """``fitui bench`` for some of what a dataset holds.

    Args:
        definition: Name; likewise ``solution``. They are no patterns: what means something in one
            is escaped.
        workloads: uuids; none for all.
        where: Further filter of the workloads.
        device: As ``--device`` takes it.
        quick: As it was.
        timer: That of the result; only flashinfer-bench's procedure has to be asked for.
        rest: Further options.
    """
    parts = ["fitui", "bench"]
    if definition:
        parts += _option("-d", "--definition", glob.escape(definition))
    if solution:
        parts += _option("-s", "--solution", glob.escape(solution))
    for uuid in workloads:
        parts += _option("-w", "--workload", uuid)
    if where:
        parts.append(f"--where={where}")
    parts += ["--device", device]
    if quick:
        parts.append("--quick")
    if timer.startswith(FLASHINFER):
        parts += ["--timer", FLASHINFER]
    return shlex.join([*parts, *rest])


def _option(short: str, long: str, value: str) -> list[str]:
    """An option with its value; one that begins with a minus would be taken for an option."""
    return [f"{long}={value}"] if value.startswith("-") else [short, value]


def compare_command(names: tuple[str, str], rest: Sequence[str] = ()) -> str:
    """``fitui compare`` for two solutions, with further options."""
    return shlex.join(["fitui", "compare", *names, *rest])


def run_command(request: Request, rest: Sequence[str] = ()) -> str:
    """The command, or one a line, that asks for the same as a run did.

    Args:
        request: Of the run.
        rest: Further options.
    """
    settings = request.settings
    if request.compare is not None:
        device = ["--device", form.devices(request.devices)]
        asked = [f"--workload={uuid}" for uuid in request.workloads]
        how = ["--measure", *device, *(["--quick"] if settings.quick else [])]
        return compare_command(request.compare, [*how, *asked, *rest])
    options = list(rest)
    if request.busy is not Busy.WAIT:
        options = ["--busy", request.busy.value, *options]
    if not settings.confirm and not settings.quick:
        options = ["--no-confirm", *options]
    return "\n".join(
        _repeated(request, solutions, workloads, options)
        for solutions, workloads in _groups(request)
    )


def _repeated(
    request: Request, solutions: Sequence[str], workloads: Sequence[str], rest: Sequence[str]
) -> str:
    more = [f"--definition={glob.escape(name)}" for name in request.definitions]
    more += [f"--solution={glob.escape(name)}" for name in solutions]
    return bench_command(
        workloads=workloads,
        device=form.devices(request.devices),
        quick=request.settings.quick,
        timer=request.settings.timer,
        rest=[*more, *rest],
    )


def _groups(request: Request) -> Iterable[tuple[list[str], list[str]]]:
    """Solutions and workloads of each command: pairs that are no rectangle need several."""
    if not request.pairs:
        return [(list(request.solutions), list(request.workloads))]
    by_solution: dict[str, list[str]] = {}
    for solution, workload in request.pairs:
        by_solution.setdefault(solution, []).append(workload)
    by_workloads: dict[tuple[str, ...], list[str]] = {}
    for solution, workloads in by_solution.items():
        by_workloads.setdefault(tuple(sorted(workloads)), []).append(solution)
    return [(solutions, list(workloads)) for workloads, solutions in by_workloads.items()]


def device_for(hardware: str, timer: str, here: Mapping[str, str]) -> str:
    """``--device`` for another measurement on hardware of the same model.

    Args:
        hardware: Model that the result names, "" for none.
        timer: That the result names.
        here: Model of each device of this machine, by name.
    """
    if hardware and (hardware.startswith("CPU") or timer.startswith("cpu")):
        return "cpu"
    gpus = [name for name in here if name != "cpu"]
    same = [name for name in gpus if here[name] == hardware]
    if same and len(same) < len(gpus):
        return form.devices(same)
    return "idle" if gpus or hardware else "cpu"
