"""Check a dataset: its files, references, stored tensors and traces.

  fitui validate                              the bundled dataset
  fitui validate --dataset PATH --json        any other, for a program
  fitui validate -d 'gqa_*' --checks workload,solution
  fitui validate -d rmsnorm_h4096 --run       also evaluate one small workload of each definition

Nothing is written into the dataset, and without --run nothing of it is run. What each check says
is in docs/validate.md. Exit status: 0 if there is no error (with --strict: no warning either), 1 if
there is, 2 if there is no dataset.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.run.client import RunHandle, cancel, submit
from engine.run.devices import find_devices
from engine.run.queue import Queue, host_name, surroundings
from engine.schema import QUICK
from engine.store import resolve_layers
from engine.validate import Dataset, Finding, Group, Report, Severity, found, read_dataset, validate
from engine.validate.benchmark import Trial, trials, verdict, write_solutions
from fitui import format as form
from fitui.cli.follow import ends
from fitui.cli.output import print_json

HELP = "check the files of a dataset"

_MOST_ALIKE = 3
"""Findings of one check that are shown for a file, unless --all is given."""
_LEAVING_S = 20.0
"""Seconds that a runner may need to clear up after its last run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui validate``."""
    parser.add_argument(
        "--checks",
        metavar="GROUP,...",
        type=_groups,
        default=list(Group),
        help=f"only these: {', '.join(Group)}",
    )
    parser.add_argument(
        "-d",
        "--definition",
        metavar="DEF",
        action="append",
        default=[],
        help="name or pattern; may be given several times",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    parser.add_argument("--all", action="store_true", help="show findings that are alike in full")
    parser.add_argument(
        "--run", action="store_true", help="evaluate one small workload of each definition"
    )
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        default="cpu",
        help="where --run does so: cpu (the default), cuda, cuda:0,1 or idle",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Check, and print what was found."""
    layers, apart = _layers(args)
    dataset = read_dataset(layers, args.definition)
    groups = {*args.checks, *([Group.BENCHMARK] if args.run else [])}
    report = validate(dataset, groups - {Group.BENCHMARK} if args.run else groups)
    if apart and Group.LAYOUT in groups:
        message = f"what lies in the overlay {apart} was not checked"
        report.add([found("overlay-apart", message)])
    if args.run:
        report.checks.append(Group.BENCHMARK)
        report.add(try_out(dataset, args.device))
    if args.json:
        print_json(_as_json(report))
    else:
        _print(report, _MOST_ALIKE if not args.all else len(report.findings))
    grave = report.count(Severity.ERROR)
    if args.strict:
        grave += report.count(Severity.WARNING)
    return 1 if grave else 0


def try_out(dataset: Dataset, device: str) -> list[Finding]:
    """Evaluate the baseline of each definition on its smallest workload.

    The run, its traces and what is built for it lie in a temporary folder.

    Raises:
        LookupError: There is no such device.
        OSError: The temporary folder cannot be written.
    """
    wanted = list(trials(dataset))
    devices = [item.name for item in find_devices(device)]
    if not wanted:
        return []
    with _own_folder() as folder:
        overlay = folder / "overlay"
        write_solutions(overlay, wanted)
        many = form.count(len(wanted), "evaluation")
        print(f"fitui: {many} on {form.devices(devices)}", file=sys.stderr)
        handle = submit(
            [*dataset.layers, overlay],
            devices=devices,
            pairs=[(item.solution, item.workload) for item in wanted],
            settings=QUICK,
            note="fitui validate",
            state=folder,
        )
        try:
            return _verdicts(handle, wanted)
        except KeyboardInterrupt:
            cancel(handle)
            raise
        finally:
            _await_leave(folder)


def _verdicts(handle: RunHandle, wanted: Sequence[Trial]) -> list[Finding]:
    waiting = {(item.definition, item.workload): item for item in wanted}
    result = []
    for cell in ends(handle):
        trial = waiting.pop((cell.definition, cell.workload), None)
        if trial is not None:
            result.append(verdict(trial, cell.status, cell.message))
    rest = f"the run {handle.state}: {handle.progress.message}".rstrip(": ")
    return [*result, *(verdict(trial, None, rest) for trial in waiting.values())]


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A temporary folder for a run that leaves nothing behind, not even an index."""
    with tempfile.TemporaryDirectory(prefix="fitui-validate-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        changed = {"FITUI_CACHE": str(folder / "cache"), "FITUI_LINGER_S": "0"}
        former = {key: os.environ.get(key) for key in changed}
        os.environ.update(changed)
        try:
            yield folder
        finally:
            for key, value in former.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value


def _await_leave(state: Path) -> None:
    """Wait until the runner of a state folder has gone, and with it whatever writes there."""
    lock = Queue(state).lock_file(host_name(), surroundings())
    deadline = time.monotonic() + _LEAVING_S
    while time.monotonic() < deadline:
        try:
            os.kill(int(lock.read_text()), 0)
        except (OSError, ValueError):
            return
        time.sleep(0.05)


def _layers(args: argparse.Namespace) -> tuple[list[Path], Path | None]:
    """The folders to check, and the overlay that is there and was not asked for."""
    chosen = Path(args.overlay) if args.overlay else None
    root, *overlay = resolve_layers(args.dataset, overlay=chosen)
    if chosen is not None:
        return [root, *overlay], None
    return [root], next((path for path in overlay if path.is_dir()), None)


def _groups(text: str) -> list[Group]:
    try:
        return [Group(item.strip()) for item in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; there are {', '.join(Group)}") from None


def _as_json(report: Report) -> dict[str, object]:
    return {
        "dataset": report.dataset,
        "checks": report.checks,
        "checked": report.checked,
        "counts": {str(severity): report.count(severity) for severity in Severity},
        "findings": report.findings,
    }


def _print(report: Report, most: int) -> None:
    for file, findings in itertools.groupby(report.findings, lambda item: item.file):
        print(form.clean(file) or "(the dataset)")
        kinds: dict[str, list[Finding]] = {}
        for item in findings:
            kinds.setdefault(item.check, []).append(item)
        for alike in kinds.values():
            _print_alike(alike, most)
        print()
    checked = ", ".join(
        form.count(number, kind.removesuffix("s")) for kind, number in report.checked.items()
    )
    verdicts = ", ".join(form.count(report.count(severity), str(severity)) for severity in Severity)
    print(f"checked {checked}: {verdicts}")


def _print_alike(alike: Sequence[Finding], most: int) -> None:
    """Findings of one check in one file, and what to do about them."""
    for item in alike[:most]:
        line = f"line {item.line}" if item.line is not None else ""
        place = ": ".join(part for part in (line, item.field) if part)
        times = f" ({form.count(item.count, 'line')})" if item.count > 1 else ""
        words = f"{place}: {item.message}" if place else item.message
        print(f"  {item.severity:<8} {item.check}: {form.clean(words)}{times}")
    if len(alike) > most:
        print(f"           and {len(alike) - most} more like it")
    if alike[0].fix:
        print(f"           -> {alike[0].fix}")
