"""Benchmark solutions in the background, and follow the run.

  fitui bench -d rmsnorm_h4096 --device cpu --quick
  fitui bench -s triton_rmsnorm_h4096 --where 'axis.batch_size<=64' --json
  fitui bench my_kernel/ -m 'wider loads'     a folder of sources: packed, then run
  fitui bench kernel.py -d rmsnorm_h4096      one file
  fitui bench --detach            everything, on every GPU here that may be taken
  fitui bench --resume            what has no result of this kind yet
  fitui bench --priority 1 --busy flag -s mine    before other runs, beside other people's work
  fitui bench --parity -s mine    our figures beside those of flashinfer-bench's own procedure

The run belongs to a process of its own: closing the terminal leaves it going (`fitui attach`
picks it up again), Ctrl-C cancels it. With --json, each evaluation is one JSON object on a line
of its own, printed as it ends; `status` is null for one that was not run, and `skipped` is true
for one that --resume found made before, with the figures of then. --parity makes two runs; with
--json, its lines are a solution on a workload each, with both evaluations (`ours`, `flashinfer`)
and the `ratio` of their latencies. Exit status: 0 if all passed, 1 if some did not, 2 if the run
could not be carried out.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from msgspec.structs import replace

from engine.run.client import RunHandle, cancel, list_runs, submit
from engine.run.cost import Earlier
from engine.run.devices import Device, find_devices
from engine.schema.run import QUICK, Busy, Settings
from engine.schema.timers import FLASHINFER, NAMES
from engine.store import TraceStore, resolve_layers
from fitui import format as form
from fitui.cli.follow import follow
from fitui.cli.output import print_json
from fitui.cli.pack import pack_into
from fitui.cli.parity import TIMERS, follow_both
from fitui.estimates import (
    RECENT,
    cost_of,
    cost_words,
    evaluations_of,
    made_with,
    without_done,
)

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
        help="cpu, cuda, cuda:0,1 or idle (every GPU that may be taken; the default)",
    )
    parser.add_argument(
        "--busy",
        choices=[item.value for item in Busy],
        default=Busy.WAIT.value,
        help="a GPU on which somebody else's processes are: wait for it (the default), skip it, "
        "or measure beside them and flag the result",
    )
    parser.add_argument(
        "--priority", metavar="N", type=int, default=0, help="higher goes first; 0 is usual"
    )
    parser.add_argument(
        "--resume", action="store_true", help="skip what has been evaluated in the same way before"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="--resume, but not what did not pass"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the smallest workloads, one input set, little timing"
    )
    timing = parser.add_mutually_exclusive_group()
    timing.add_argument(
        "--timer",
        metavar="NAME",
        choices=NAMES,
        default="auto",
        help=f"how calls are timed: {', '.join(NAMES)}; auto (the default) is the best that "
        f"works, {FLASHINFER} is flashinfer-bench's procedure",
    )
    timing.add_argument(
        "--parity",
        action="store_true",
        help="two runs, by flashinfer-bench's procedure and by ours, and both figures in a table",
    )
    parser.add_argument(
        "--no-confirm",
        action="store_true",
        help="do without the second evaluation of a result that beats all others",
    )
    parser.add_argument("-m", "--note", metavar="NOTE", default="", help="kept with the run")
    parser.add_argument("--detach", action="store_true", help="print the run's id and leave it")
    parser.add_argument("--json", action="store_true", help="one JSON object per evaluation")


def run(args: argparse.Namespace) -> int:
    """Submit a request, or two, and follow it."""
    layers = resolve_layers(args.dataset, overlay=_path(args.overlay))
    devices = find_devices(args.device)
    _check_timing(args, devices)
    commit = ""
    if args.path:
        commit = _pack(args, layers)
    handles: list[RunHandle] = []
    try:
        with TraceStore.open(layers) as store:
            definitions = _names("definition", args.definition, _definition_names(store))
            solutions = _names("solution", args.solution, _solution_names(store, definitions))
            workloads = _workloads(args, store)
            for timer in TIMERS if args.parity else (args.timer,):
                with interrupt_kept():
                    handle = submit(
                        layers,
                        devices=[device.name for device in devices],
                        definitions=definitions,
                        solutions=solutions,
                        workloads=workloads,
                        settings=_settings(args, timer),
                        note=args.note,
                        commit=commit,
                        priority=args.priority,
                        busy=Busy(args.busy),
                        resume=args.resume or args.retry_failed,
                        retry_failed=args.retry_failed,
                    )
                    handles.append(handle)
                announce(handle, layers, _cost_words(handle, devices, store))
        if args.detach:
            return _detach(handle, args)
        if args.parity:
            theirs, ours = handles
            return follow_both(theirs, ours, json=args.json)
        return follow(handle, json=args.json)
    except KeyboardInterrupt:
        if not handles:
            raise
        for handle in handles:
            cancel(handle)
            print(f"\nfitui: cancelled run {handle.run}", file=sys.stderr)
        return 130


def _settings(args: argparse.Namespace, timer: str) -> Settings:
    settings = replace(QUICK if args.quick else Settings(), timer=timer)
    return replace(settings, confirm=False) if args.no_confirm else settings


def _check_timing(args: argparse.Namespace, devices: Sequence[Device]) -> None:
    """Refuse what cannot be timed as asked for.

    Raises:
        LookupError: With the reason.
    """
    if args.parity and args.detach:
        raise LookupError("--parity shows its table at the end, for which --detach does not wait")
    wanted = "--parity" if args.parity else f"--timer {args.timer}"
    names = [device.name for device in devices]
    if wanted != "--timer auto" and "cpu" in names:
        raise LookupError(f"{wanted} needs a GPU, and this run is on {form.devices(names)}")


@contextmanager
def interrupt_kept() -> Iterator[None]:
    """Keep Ctrl-C until the block has ended: what is half asked for cannot be cancelled.

    Raises:
        KeyboardInterrupt: It came meanwhile.
    """
    came = False

    def keep(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True

    former = signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if came:
        raise KeyboardInterrupt


def _detach(handle: RunHandle, args: argparse.Namespace) -> int:
    if args.json:
        print_json({"run": handle.run, "folder": str(handle.folder.path)})
    else:
        print(handle.run)
    return 0


def _cost_words(handle: RunHandle, devices: Sequence[Device], store: TraceStore) -> str:
    """What the run will cost, by what the newest runs took."""
    request = handle.request
    settings = request.settings
    asked = evaluations = evaluations_of(store, request, settings)
    if request.resume:
        evaluations = without_done(
            store,
            asked,
            [device.hardware for device in devices],
            made_with(handle.folder.path.parents[1], settings),
            retry_failed=request.retry_failed,
        )
    known = []
    for earlier in list_runs(limit=RECENT):
        earlier.poll()
        known.append(Earlier(earlier.request.settings.quick, earlier.progress.cells.values()))
    words = cost_words(cost_of(evaluations, request.devices, settings.quick, known))
    before = len(asked) - len(evaluations)
    return f"{words}, {before} made before" if before else words


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


def announce(handle: RunHandle, layers: Sequence[Path], cost: str) -> None:
    """Say where a run is, what it will cost, and where its traces go."""
    where = f"run {handle.run} on {form.devices(handle.request.devices)}"
    print(f"fitui: {where}: {cost}; traces go to {layers[-1]}", file=sys.stderr)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _definition_names(store: TraceStore) -> list[str]:
    return [row.name for row in store.definitions()]


def _solution_names(store: TraceStore, definitions: Sequence[str]) -> list[str]:
    """Solutions that a pattern may mean: those of the definitions that are asked for."""
    rows = store.solutions()
    return [row.name for row in rows if not definitions or row.definition in definitions]


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
