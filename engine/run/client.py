"""What a user interface does with runs: start, list, follow, pause, cancel. Only files."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.places import state_dir
from engine.run.files import EventReader, RunFolder, new_run_id
from engine.run.progress import Progress
from engine.run.queue import Queue, host_name, is_locked, surroundings
from engine.schema.run import QUICK, Busy, Event, Kind, Request, Settings

_MOST_LOG = 4 << 20
START_S = 20.0
"""Seconds that a first runner may need to come up."""
RESTART_S = 3.0
"""A runner that was killed has a keeper, which starts another within this time."""


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
        self._queue = Queue(folder.path.parents[1])
        self._looked_at = time.time()
        self._alive_at = max(self.request.created + START_S, self._looked_at) - RESTART_S
        self._paused = False

    @property
    def run(self) -> str:
        """The run's id."""
        return self.folder.run

    @property
    def log_file(self) -> Path:
        """What the runner printed."""
        return runner_log(self._queue.state)

    @property
    def has_runner(self) -> bool:
        """True while a runner is there to work on it."""
        return is_running(self._queue, self.run)

    @property
    def runner_pid(self) -> int:
        """Process id of the runner that works on it; 0 where there is none."""
        return self._queue.runner_pid(self.run)

    @property
    def priority(self) -> int:
        """As asked for, or as changed since."""
        changed = self.folder.priority
        return self.request.priority if changed is None else changed

    def expect_runner(self) -> None:
        """One has just been started: give it time to come up."""
        self._alive_at = time.time() + START_S - RESTART_S

    def poll(self) -> bool:
        """Read what is new.

        Returns:
            True if anything changed.
        """
        before, version = self.state, self.progress.version
        self.progress.apply_all(self._reader.poll())
        if self.progress.state in ("queued", "running"):
            self._paused = self.folder.pause_file.exists()
            self._looked_at = time.time()
            if self.has_runner:
                self._alive_at = self._looked_at
        return self.progress.version != version or before != self.state

    @property
    def state(self) -> str:
        """How it is, as of the last :meth:`poll`.

        "queued", "running", "paused", "finished", "cancelled", "failed", or "stopped": it has not
        ended, and no runner works on it.
        """
        if self.progress.state not in ("queued", "running"):
            return self.progress.state
        if self._looked_at - self._alive_at > RESTART_S:
            return "stopped"
        return "paused" if self._paused else self.progress.state

    @property
    def live(self) -> bool:
        """True while something may still happen."""
        return self.state in ("queued", "running", "paused")


def is_running(queue: Queue, run: str) -> bool:
    """True while a runner is there for a run."""
    return queue.runner_lives(run)


def runner_log(state: Path) -> Path:
    """What the runners of a state folder printed."""
    return state / "runner.log"


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
    priority: int = 0,
    busy: Busy = Busy.WAIT,
    resume: bool = False,
    retry_failed: bool = False,
    compare: tuple[str, str] | None = None,
    processes: int = 3,
    state: Path | None = None,
) -> RunHandle:
    """Write a request into the queue, and start a runner where none is there.

    Args:
        dataset: Layer folders, lowest first; traces are appended under the last.
        devices: "cpu", "cuda:0", ...
        definitions: Names; empty for all. Likewise solutions (names) and workloads (uuids).
        pairs: Exact (solution, workload uuid) cells instead of everything that matches.
        settings: How to evaluate; None for the defaults (``quick`` chooses which).
        quick: Use the quick settings.
        note: The user's own words.
        commit: Of the git checkout that a solution was packed from.
        priority: Higher goes first.
        busy: What to do beside somebody else's processes on a GPU.
        resume: Skip what has been evaluated in the same way before.
        retry_failed: With ``resume``: evaluate again what did not pass.
        compare: Two solutions, each a name or ``name@version``, that are measured in turns on
            the workloads instead of being evaluated; no ``solutions`` or ``pairs`` then.
        processes: With ``compare``: fresh processes of each at least, per workload.
        state: State folder, None for the user's own.

    Returns:
        The new run.

    Raises:
        OSError: The state folder cannot be written.
    """
    now = time.time()
    request = Request(
        run="",
        created=now,
        dataset=[str(path) for path in dataset],
        devices=list(devices),
        settings=settings or (QUICK if quick else Settings()),
        definitions=list(definitions),
        # Of a comparison too, so that whoever looks at the run sees what it is about.
        solutions=list(solutions) or list(dict.fromkeys(_base(name) for name in compare or ())),
        workloads=list(workloads),
        pairs=list(pairs),
        note=note,
        commit=commit,
        user=getpass.getuser(),
        host=host_name(),
        priority=priority,
        busy=busy,
        resume=resume,
        retry_failed=retry_failed,
        compare=compare,
        processes=processes,
    )
    while True:
        folder = RunFolder(runs_dir(state) / new_run_id(request.created))
        request.run = folder.run
        try:
            folder.create(request)
        except FileExistsError:
            request.created += 1e-4  # asked for at the same moment
        else:
            return _enqueue(folder)


def _base(name: str) -> str:
    """A solution's name without its version."""
    return name.rpartition("@")[0] or name


def _enqueue(folder: RunFolder) -> RunHandle:
    queue = Queue(folder.path.parents[1])
    queue.put(folder.run)
    start_runner(queue.state)
    return RunHandle(folder)


def start_runner(state: Path) -> None:
    """Start a runner for this machine and these surroundings, unless one is there.

    It survives this process and its terminal, and serves the queue until that is empty.

    Raises:
        OSError: The state folder cannot be written.
    """
    queue, host, key = Queue(state), host_name(), surroundings()
    # A runner that is about to leave holds the intake until its lock is free.
    with queue.intake():
        if is_locked(queue.lock_file(host, key)):
            return
    log = runner_log(state)
    with suppress(FileNotFoundError):
        if log.stat().st_size > _MOST_LOG:
            log.rename(log.with_suffix(".old"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.run.keeper", str(state), host, key],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            close_fds=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": _import_path()},
        )
    # The runner goes on when this process ends; where it ends first, no zombie stays behind.
    threading.Thread(target=process.wait, name="wait for the runner", daemon=True).start()


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
    """Ask a run to stop: the evaluation at work is killed and left without a verdict.

    Raises:
        OSError: Its folder cannot be written.
    """
    handle.folder.cancel_file.touch()
    if handle.state == "stopped":
        # A runner has to say that it has ended.
        _enqueue(handle.folder)
        handle.expect_runner()


def pause(handle: RunHandle) -> None:
    """Ask a run to begin no further evaluation until it is resumed.

    Raises:
        OSError: Its folder cannot be written.
    """
    handle.folder.pause_file.touch()


def resume(handle: RunHandle) -> None:
    """Have a run that is paused, stopped, cancelled or failed go on with what has not ended.

    Raises:
        OSError: Its folder cannot be written.
        ValueError: It has finished.
    """
    if handle.state == "finished":
        raise ValueError(f"run {handle.run} has finished; `fitui bench` starts another")
    for path in (handle.folder.pause_file, handle.folder.cancel_file):
        path.unlink(missing_ok=True)
    if not handle.live:
        handle.folder.repair()
        handle.folder.append_events(Event(kind=Kind.REQUEUED, t=time.time()))
        _enqueue(handle.folder)
        handle.expect_runner()


def set_priority(handle: RunHandle, priority: int) -> None:
    """Have a run go before those of lower priority.

    Raises:
        OSError: Its folder cannot be written.
    """
    temporary = handle.folder.priority_file.with_suffix(".tmp")
    temporary.write_text(str(priority))
    temporary.rename(handle.folder.priority_file)
