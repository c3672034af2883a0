"""What a user interface does with runs: start, list, follow, cancel. Only files and signals."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.places import state_dir
from engine.run.files import EventReader, RunFolder, is_running, new_run_id
from engine.run.progress import Progress
from engine.schema.run import QUICK, Request, Settings


class RunHandle:
    """One run, live or ended, as its files tell.

    Attributes:
        folder: The run's files.
        request: What was asked for.
        progress: What has happened, up to the last :meth:`poll`.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.request: Request = folder.read_request()
        self.progress = Progress()
        self._reader = EventReader(folder.events_file)
        self._alive = True

    @property
    def run(self) -> str:
        """The run's id."""
        return self.folder.run

    def poll(self) -> bool:
        """Read what is new.

        Returns:
            True if anything changed.
        """
        was_alive, before = self._alive, self.progress.version
        self._alive = is_running(self.folder)
        self.progress.apply_all(self._reader.poll())
        return self.progress.version != before or was_alive != self._alive

    @property
    def state(self) -> str:
        """ "starting", "running", "finished", "cancelled", "failed" or "died" (runner gone)."""
        if self.progress.state not in ("starting", "running"):
            return self.progress.state
        if self._alive or time.time() - self.request.created < 10:
            return self.progress.state
        return "died"

    @property
    def live(self) -> bool:
        """True while something may still happen."""
        return self.state in ("starting", "running")


def runs_dir(state: Path | None = None) -> Path:
    """Folder that holds one folder per run."""
    return (state or state_dir()) / "runs"


def submit(
    dataset: Sequence[Path],
    *,
    devices: Sequence[str],
    definitions: Sequence[str] = (),
    solutions: Sequence[str] = (),
    workloads: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] = (),
    settings: Settings | None = None,
    quick: bool = False,
    note: str = "",
    commit: str = "",
    state: Path | None = None,
) -> RunHandle:
    """Write a request and start a runner for it, in a session of its own.

    Args:
        dataset: Layer folders, lowest first; traces are appended under the last.
        devices: "cpu", "cuda:0", ...
        definitions: Names; empty for all. Likewise solutions (names) and workloads (uuids).
        pairs: Exact (solution, workload uuid) cells instead of everything that matches.
        settings: How to evaluate; None for the defaults (``quick`` chooses which).
        quick: Use the quick settings.
        note: The user's own words.
        commit: Of the git checkout that a solution was packed from.
        state: State folder, None for the user's own.

    Returns:
        The new run.

    Raises:
        OSError: The state folder cannot be written.
    """
    now = time.time()
    folder = RunFolder(runs_dir(state) / new_run_id(now))
    request = Request(
        run=folder.run,
        created=now,
        dataset=[str(path) for path in dataset],
        devices=list(devices),
        settings=settings or (QUICK if quick else Settings()),
        definitions=list(definitions),
        solutions=list(solutions),
        workloads=list(workloads),
        pairs=list(pairs),
        note=note,
        commit=commit,
        user=getpass.getuser(),
    )
    folder.create(request)
    start_runner(folder)
    return RunHandle(folder)


def start_runner(folder: RunFolder) -> int:
    """Start the runner of a run so that it survives this process and its terminal.

    Returns:
        Its process id.
    """
    with folder.output_file.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.run.runner", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": _import_path()},
        )
    # The runner goes on when this process ends; where it ends first, no zombie stays behind.
    threading.Thread(target=process.wait, name=f"wait for {folder.run}", daemon=True).start()
    return process.pid


def _import_path() -> str:
    """Import path with which the runner finds this very package, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(part for part in (here, known) if part)


def open_run(run: str, state: Path | None = None) -> RunHandle:
    """One run by id or by an unambiguous end or beginning of it.

    Raises:
        LookupError: There is no such run, or several.
    """
    names = _run_names(state)
    matches = [name for name in names if name == run] or [
        name for name in names if name.startswith(run) or name.endswith(run)
    ]
    if len(matches) != 1:
        what = "no run" if not matches else f"{len(matches)} runs"
        raise LookupError(f"{what} named {run!r} in {runs_dir(state)}")
    return RunHandle(RunFolder(runs_dir(state) / matches[0]))


def _run_names(state: Path | None) -> list[str]:
    try:
        entries = sorted(item.name for item in runs_dir(state).iterdir())
    except OSError:
        return []
    return [name for name in entries if _is_run(runs_dir(state) / name)]


def _is_run(folder: Path) -> bool:
    try:
        return (folder / "request.json").is_file()
    except OSError:  # somebody else's
        return False


def list_runs(state: Path | None = None, *, limit: int | None = None) -> list[RunHandle]:
    """Runs, newest first, not yet polled. Folders that hold no readable request are left out."""
    handles: list[RunHandle] = []
    for name in reversed(_run_names(state)):
        if limit is not None and len(handles) >= limit:
            break
        try:
            handles.append(RunHandle(RunFolder(runs_dir(state) / name)))
        except (OSError, msgspec.DecodeError):
            continue
    return handles


def cancel(handle: RunHandle) -> None:
    """Ask a run to stop: the evaluation at work is killed and left without a verdict."""
    handle.folder.cancel_file.touch()
