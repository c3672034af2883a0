"""The runner: a process of its own session that carries one request out.

Started by ``client.submit`` as ``python -m engine.run.runner RUN_FOLDER``. It owns the queue,
the device locks and the verdicts, and imports neither torch nor any solution.
"""

from __future__ import annotations

import fcntl
import os
import queue
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.build.pool import BuildPool
from engine.run import reap
from engine.run.devices import Device, UnknownDevice, find_devices
from engine.run.files import RunFolder, is_running
from engine.run.lane import Lane
from engine.run.plan import Job, Planned, make_plan
from engine.run.process import Cancelled, ServerFailed
from engine.run.record import Subject
from engine.run.report import NotKept, Reporter
from engine.run.start_method import must_spawn
from engine.schema.codec import encode
from engine.schema.run import Kind, Request
from engine.schema.trace import Trace
from engine.store import TraceStore, append_line, blob_path, trace_path

MOST_DESCRIPTORS = 1 << 14


class Runner:
    """One run from its request to its last event.

    Args:
        folder: The run's folder, with a request in it.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._request: Request = folder.read_request()
        self._layers = [Path(part) for part in self._request.dataset]
        self._reporter = Reporter(folder, self._request, self._append)
        self._cancelled = threading.Event()
        self._failures: list[str] = []
        self._builds = BuildPool(self._request.settings.build_limit_s, self.stop)

    def _append(self, subject: Subject, trace: Trace) -> Path:
        definition, solution = subject.definition, subject.solution
        path = trace_path(self._layers[-1], solution.author, definition.op_type, definition.name)
        append_line(path, encode(trace))
        return path

    def stop(self) -> bool:
        """True once the run is cancelled."""
        if not self._cancelled.is_set() and self._folder.cancel_file.exists():
            self._cancelled.set()
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Cancel from within this process."""
        self._cancelled.set()

    def run(self) -> str:
        """Carry the request out.

        Returns:
            "finished", "cancelled" or "failed".
        """
        with TraceStore.open(self._layers) as store:
            planned = make_plan(self._request, store)
        self._announce(planned)
        devices = self._devices()
        jobs: queue.Queue[Job] = queue.Queue()
        for job in planned.jobs:
            jobs.put(job)
        for device in devices:
            for job in planned.jobs:
                solutions = [cells[0].solution for cells in job.cells.values()]
                if device.name != "cpu":
                    self._builds.start(solutions, device.capability)
        if devices and planned.jobs:
            threads = [
                threading.Thread(target=self._work, args=(device, jobs), name=device.name)
                for device in devices[: len(planned.jobs)]
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return self._finish(jobs)

    def _announce(self, planned: Planned) -> None:
        self._reporter.event(Kind.RUN_STARTED, n=planned.count)
        for notice in planned.notices:
            self._reporter.notice(notice)
        for job in planned.jobs:
            for cells in job.cells.values():
                for cell in cells:
                    self._reporter.event(
                        Kind.QUEUED,
                        cell.evaluation,
                        definition=job.definition.name,
                        solution=cell.solution.name,
                        workload=cell.workload.uuid,
                        axes=cell.workload.axes,
                    )

    def _devices(self) -> list[Device]:
        found: list[Device] = []
        for text in self._request.devices:
            try:
                found += [device for device in find_devices(text) if device not in found]
            except UnknownDevice as error:
                self._failures.append(str(error))
        return found

    def _work(self, device: Device, jobs: queue.Queue[Job]) -> None:
        """One device's thread: jobs until there are no more."""
        lane: Lane | None = None
        try:
            lane = Lane(
                device,
                self._request,
                self._folder.scratch / device.name.replace(":", "-"),
                self._reporter,
                self._find_blob,
                self.stop,
                self._builds,
                spawn=must_spawn(),
            )
            while not self.stop():
                try:
                    job = jobs.get_nowait()
                except queue.Empty:
                    return
                lane.run(job)
        except Cancelled:
            pass
        except (ServerFailed, NotKept, OSError) as error:
            self._failures.append(f"{device.name}: {error}")
        except Exception as error:
            traceback.print_exc()
            self._failures.append(f"{device.name}: {type(error).__name__}: {error}")
        finally:
            if lane is not None:
                lane.close()

    def _find_blob(self, path: str) -> Path:
        return blob_path(self._layers, path)

    def _finish(self, jobs: queue.Queue[Job]) -> str:
        self._builds.close()
        shutil.rmtree(self._folder.scratch, ignore_errors=True)
        reap.kill_descendants()
        if self._failures:
            state, message = "failed", "; ".join(self._failures)
        elif self.stop():
            state, message = "cancelled", "cancelled by the user"
        else:
            state, message = "finished", ""
        self._reporter.event(Kind.RUN_FINISHED, state=state, message=message)
        return state


def main(path: str) -> int:
    """Run what a folder asks for; exit status 0 if it finished, 1 if not."""
    folder = RunFolder(Path(path))
    lock = os.open(folder.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _locked(lock):
        print(f"{folder.run} has a runner already", file=sys.stderr)
        return 1
    os.write(lock, f"{os.getpid()}\n".encode())
    reap.adopt_orphans()
    _allow_many_descriptors()
    _clear_leftovers(folder.path.parent)
    runner = Runner(folder)
    _handle_signals(runner.cancel)
    try:
        return 0 if runner.run() == "finished" else 1
    except BaseException as error:
        # Whoever watches must learn that nothing more will come.
        message = f"{type(error).__name__}: {error}"
        with suppress(NotKept):
            runner._reporter.event(Kind.RUN_FINISHED, state="failed", message=message)
        raise


def _locked(lock: int) -> bool:
    """Take the run's lock, which somebody who only looks whether it is free holds for a moment."""
    deadline = time.monotonic() + 2.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def _allow_many_descriptors() -> None:
    """Every set of inputs is a memory file of this process; children get a limit of their own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _clear_leftovers(runs: Path) -> None:
    """Remove what runners that were killed could not."""
    for scratch in runs.glob("*/scratch"):
        if not is_running(RunFolder(scratch.parent)):
            shutil.rmtree(scratch, ignore_errors=True)


def _handle_signals(cancel: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: cancel())
    signal.signal(signal.SIGINT, lambda *_: cancel())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
