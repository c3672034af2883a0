"""The runner: a process that works on every run of its queue, on all devices of the machine.

Started and kept by ``engine.run.keeper``. It owns the schedule, the device locks and the verdicts,
and imports neither torch nor any solution.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.run import reap
from engine.run.active import ActiveRun
from engine.run.builds import Builds
from engine.run.files import RunFolder
from engine.run.lane import Lane
from engine.run.queue import Queue
from engine.run.report import NotKept
from engine.run.schedule import Scheduler
from engine.run.start_method import must_spawn

MOST_DESCRIPTORS = 1 << 14
LINGER_S = float(os.environ.get("FITUI_LINGER_S", "20"))
"""Seconds that warm fork servers are kept after the last run."""
_POLL_S = 0.1


class Runner:
    """Serves a queue.

    Args:
        state: The state folder.
        host: Name of this machine.
        key: Of its surroundings.
    """

    def __init__(self, state: Path, host: str, key: str) -> None:
        self._state, self._host, self._key = state, host, key
        self._queue = Queue(state)
        # Its own: a runner that leaves still clears up when the next one may be there already.
        self._scratch = state / "scratch" / f"{host}-{key}-{os.getpid()}"
        self._runs: dict[str, ActiveRun] = {}
        self._given_up: set[str] = set()
        self._lanes: dict[str, tuple[Lane, threading.Thread]] = {}
        self._builds = Builds(self._scratch / "ahead")
        self._scheduler: Scheduler[ActiveRun] = Scheduler(self._builds.ready)
        self._going = threading.Event()

    def go(self) -> None:
        """Leave soon, with everything as it is."""
        self._going.set()

    def serve(self, release: Callable[[], None]) -> None:
        """Work until the queue has been empty for a while, or until told to go.

        Args:
            release: Gives the runner's lock up.
        """
        for left in self._scratch.parent.glob(f"{self._host}-{self._key}-*"):
            shutil.rmtree(left, ignore_errors=True)
        idle_since = time.monotonic()
        while not self._going.is_set():
            self._queue.beat(self._host, self._key)
            self._adopt()
            self._builds.pump()
            self._open_lanes()
            self._close_lanes()
            self._finish()
            if self._runs:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > LINGER_S and self._may_leave(release):
                break
            self._going.wait(_POLL_S)
        self._leave()

    def _adopt(self) -> None:
        """Take on runs that are new in the queue."""
        for name in self._waiting():
            if name in self._runs:
                continue
            try:
                run = ActiveRun(RunFolder(self._state / "runs" / name))
            except (OSError, msgspec.DecodeError) as error:
                print(f"run {name} cannot be read: {error}", flush=True)
                self._given_up.add(name)
                self._queue.remove(name)
                continue
            self._runs[name] = run
            try:
                run.begin()
                self._build(run)
            except Exception as error:
                if not isinstance(error, (NotKept, OSError)):
                    traceback.print_exc()
                run.fail(f"{type(error).__name__}: {error}")
                continue
            self._scheduler.add(run)

    def _waiting(self) -> list[str]:
        names = self._queue.waiting(self._host, self._key)
        return [name for name in names if name not in self._given_up]

    def _build(self, run: ActiveRun) -> None:
        for device in run.devices:
            for part in run.parts:
                for unit in part.units:
                    for side in unit.sides:
                        self._builds.want(run, side, device)

    def _open_lanes(self) -> None:
        """Have a lane for every device that something waits for."""
        for run in self._runs.values():
            for device in run.devices:
                if device.name in self._lanes or not self._scheduler.wants(device):
                    continue
                lane = Lane(
                    device,
                    self._scheduler,
                    self._builds,
                    self._scratch / device.name.replace(":", "-"),
                    self._going.is_set,
                    spawn=must_spawn(),
                )
                thread = threading.Thread(target=lane.work, name=device.name)
                self._lanes[device.name] = lane, thread
                thread.start()

    def _close_lanes(self) -> None:
        """Put away lanes that have ended, with what that means for their runs."""
        for name, (lane, thread) in list(self._lanes.items()):
            if thread.is_alive():
                continue
            thread.join()
            del self._lanes[name]
            if not lane.failure or self._going.is_set():
                continue
            for run in self._runs.values():
                if lane.device in run.devices:
                    with suppress(NotKept):
                        run.reporter.notice(lane.failure)
            for run in self._scheduler.drop_device(lane.device):
                run.fail(lane.failure)

    def _finish(self) -> None:
        for name, run in list(self._runs.items()):
            if not run.ended:
                continue
            self._scheduler.remove(run)
            try:
                # Else a ticket that is put in for it just now could be taken away.
                with self._queue.intake():
                    run.finish(self._queue.remove)
            except (NotKept, OSError) as error:
                # No room for the last word: the run is left in the queue for another runner.
                print(f"run {name}: {error}", flush=True)
                self._given_up.add(name)
            self._builds.forget(run)
            del self._runs[name]

    def _may_leave(self, release: Callable[[], None]) -> bool:
        """Give the lock up, unless a run has just been put into the queue."""
        with self._queue.intake():
            if self._waiting():
                return False
            release()
        return True

    def _leave(self) -> None:
        for run in self._runs.values():
            run.leave()
        self._going.set()
        self._scheduler.wake()
        for _, thread in self._lanes.values():
            thread.join()
        self._builds.close()
        for run in self._runs.values():
            with suppress(NotKept, OSError):
                run.finish(self._queue.remove)
        shutil.rmtree(self._scratch, ignore_errors=True)
        reap.kill_descendants()


def serve(state: Path, host: str, key: str, lock: int) -> int:
    """Be the runner of a queue.

    Args:
        state: The state folder.
        host: Name of this machine.
        key: Of its surroundings.
        lock: Descriptor of the runner's lock, which is held.

    Returns:
        Exit code.
    """
    reap.adopt_orphans()
    _allow_many_descriptors()
    runner = Runner(state, host, key)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.go())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    runner.serve(lambda: fcntl.flock(lock, fcntl.LOCK_UN))
    return 0


def _allow_many_descriptors() -> None:
    """Every set of inputs is a memory file of this process; children get a limit of their own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
