"""Benchmark solutions in the background, and follow the run.

  fitui bench -d rmsnorm_h4096 --device cpu --quick
  fitui bench -s triton_rmsnorm_h4096 --where 'axis.batch_size<=64' --json
  fitui bench my_kernel/ -m 'wider loads'     a folder of sources: packed, then run
  fitui bench kernel.py -d rmsnorm_h4096      one file
  fitui bench --detach            everything, on the best device here

The run belongs to a process of its own: closing the terminal leaves it going (`fitui attach`
picks it up again), Ctrl-C cancels it. With --json, each evaluation is one JSON object on a line
of its own, printed as it ends; `status` is null for one that was not run. Exit status: 0 if all
passed, 1 if some did not, 2 if the run could not be carried out.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.run.client import RunHandle, cancel, submit
from engine.run.devices import find_devices
from engine.store import TraceStore, resolve_layers
from fitui.cli.follow import follow
from fitui.cli.output import print_json
from fitui.cli.pack import pack_into

HELP = "benchmark solutions and follow the run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui bench``."""
    parser.add_argument("path", metavar="FOLDER|FILE", nargs="?", help="sources to pack and run")
    for short, long, metavar, what in (
        ("-d", "--definition", "DEF", "name or pattern; may be given several times"),
        ("-s", "--solution", "SOL", "name or pattern; may be given several times"),
        ("-w", "--workload", "UUID", "uuid or its beginning; may be given several times"),
    ):
        parser.add_argument(short, long, metavar=metavar, help=what, action="append", default=[])
    parser.add_argument("--where", metavar="EXPR", default="", help="only workloads that match")
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        default="idle",
        help="cpu, cuda, cuda:0,1 or idle (the best that is here; the default)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="the smallest workloads, one input set, little timing"
    )
    parser.add_argument("-m", "--note", metavar="NOTE", default="", help="kept with the run")
    parser.add_argument("--detach", action="store_true", help="print the run's id and leave it")
    parser.add_argument("--json", action="store_true", help="one JSON object per evaluation")


def run(args: argparse.Namespace) -> int:
    """Submit a request and follow it."""
    layers = resolve_layers(args.dataset, overlay=_path(args.overlay))
    devices = [device.name for device in find_devices(args.device)]
    commit = ""
    if args.path:
        commit = _pack(args, layers)
    with TraceStore.open(layers) as store:
        handle = submit(
            layers,
            devices=devices,
            definitions=_names("definition", args.definition, _definition_names(store)),
            solutions=_names("solution", args.solution, [row.name for row in store.solutions()]),
            workloads=_workloads(args, store),
            quick=args.quick,
            note=args.note,
            commit=commit,
        )
    announce(handle, layers)
    if args.detach:
        if args.json:
            print_json({"run": handle.run, "folder": str(handle.folder.path)})
        else:
            print(handle.run)
        return 0
    try:
        return follow(handle, json=args.json)
    except KeyboardInterrupt:
        cancel(handle)
        print(f"\nfitui: cancelled run {handle.run}", file=sys.stderr)
        return 130


def _pack(args: argparse.Namespace, layers: Sequence[Path]) -> str:
    """Make a solution of the sources, and have it run alone.

    Returns:
        The git commit that it comes from, or "".

    Raises:
        LookupError: It is no solution, or more than one is asked for.
    """
    if len(args.definition) > 1 or args.solution:
        raise LookupError("Sources are run alone: at most one -d, and no -s")
    definition = args.definition[0] if args.definition else ""
    packed, _ = pack_into(layers, Path(args.path), definition)
    args.definition, args.solution = [], [packed.solution.name]
    return packed.commit


def announce(handle: RunHandle, layers: Sequence[Path]) -> None:
    """Say where a run is and where its traces go."""
    devices = ", ".join(handle.request.devices)
    print(f"fitui: run {handle.run} on {devices}, traces go to {layers[-1]}", file=sys.stderr)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _definition_names(store: TraceStore) -> list[str]:
    return [row.name for row in store.definitions()]


def _names(kind: str, wanted: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names that texts mean: exact, or patterns with ``*``.

    Raises:
        LookupError: One of them means nothing.
    """
    found: list[str] = []
    for text in wanted:
        matches = fnmatch.filter(known, text)
        if not matches:
            close = difflib.get_close_matches(text, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise LookupError(f"There is no {kind} {text!r}{hint}")
        found += matches
    return list(dict.fromkeys(found))


def _workloads(args: argparse.Namespace, store: TraceStore) -> list[str]:
    """uuids of the workloads that -w and --where mean; empty for all.

    Raises:
        LookupError: None is left.
    """
    if not (args.workload or args.where):
        return []
    found = [row.uuid for row in store.workloads(args.where)]
    if args.workload:
        found = [uuid for uuid in found if uuid.startswith(tuple(args.workload))]
    if not found:
        raise LookupError("No workload matches -w and --where")
    return found
