"""A lane: one device, its fork server, and the units of all runs made on it one after another."""

from __future__ import annotations

import os
import re
import shutil
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.run import protocol
from engine.run.active import ActiveRun
from engine.run.builds import Builds
from engine.run.calibration import calibrate, calibration_of
from engine.run.comparison import ComparisonRun
from engine.run.devices import Device
from engine.run.locks import DeviceLock
from engine.run.occupancy import Occupancy, health, look, wait_free, words
from engine.run.preferences import quarantine
from engine.run.process import (
    Cancelled,
    Child,
    ChildBrokeProtocol,
    ChildGone,
    ChildTimedOut,
    Server,
    ServerFailed,
    SickDevice,
)
from engine.run.reference import Reference
from engine.run.report import NotKept
from engine.run.schedule import Part, Scheduler, Unit
from engine.run.solution_run import Bench, SolutionRun
from engine.schema.run import Busy, Kind

MOST_REFERENCES = 2
"""Parts whose inputs are kept; a third is begun when units of two others wait for a build."""
PATIENCE_S = 2.0
"""Seconds of waiting for a device after which what is held on it is given up."""
FREE_LIMIT_S = 10.0
"""Seconds in which a device's memory must come back after a process on it was killed."""
_POLL_S = 0.1


class Lane:
    """Works on one device until it is told to stop or the device is sick.

    Args:
        device: Where.
        scheduler: Has the work.
        builds: Compiles what has to be compiled.
        scratch: Folder for private folders of children.
        spawn: Start fresh interpreters instead of forking.
        stop: True once the runner has to go.
    """

    def __init__(
        self,
        device: Device,
        scheduler: Scheduler[ActiveRun],
        builds: Builds,
        scratch: Path,
        stop: Callable[[], bool],
        spawn: bool = False,
    ) -> None:
        self.device = device
        self.failure = ""
        """Why the lane has ended before its time, or ""."""
        self._idle_since = time.monotonic()
        self._scheduler = scheduler
        self._builds = builds
        self._scratch = scratch
        self._spawn = spawn
        self._stop = stop
        self._server: Server | None = None
        self._references: OrderedDict[int, tuple[Part, Reference]] = OrderedDict()
        self._waiting: dict[str, str] = {}
        self._holder = "another run"
        self._units = 0
        self._others_memory = 0
        self._alone = True
        self._calibrated = False

    def work(self) -> None:
        """Take units until told to stop; leaves a reason in ``failure`` where it cannot go on."""
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
            lock = DeviceLock(self.device)
            try:
                self._serve(lock)
            finally:
                self._drop_references()
                lock.close()
        except SickDevice as error:
            self.failure = str(error)
        except (ServerFailed, OSError) as error:
            self.failure = f"{self.device.name}: {error}"
        except Exception as error:
            traceback.print_exc()
            self.failure = f"{self.device.name}: {type(error).__name__}: {error}"
        finally:
            if self._server is not None:
                self._server.close()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _serve(self, lock: DeviceLock) -> None:
        since = None
        while not self._stop():
            runs = self._scheduler.wants(self.device)
            if not runs:
                # Whoever waits for a turn must not keep it.
                lock.release()
                self._rest()
                continue
            self._idle_since = time.monotonic()
            if problem := health(self.device):
                self._quarantine(problem, runs[0])
            # Seconds of imports: not while the device is held.
            self._live_server(runs[0])
            reason = self._take_device(lock, runs)
            if reason is None:
                since = None
                continue
            since = since or time.monotonic()
            if time.monotonic() - since > PATIENCE_S:
                # Others may need the memory.
                self._drop_references()
            # The others wait for this run.
            self._tell(runs[:1], reason)
            time.sleep(_POLL_S)

    def _rest(self) -> None:
        with self._scheduler.changed:
            self._scheduler.changed.wait(_POLL_S)
        if time.monotonic() - self._idle_since > PATIENCE_S:
            self._drop_references()

    def _take_device(self, lock: DeviceLock, runs: list[ActiveRun]) -> str | None:
        """Do one unit, if the device is to be had.

        Returns:
            Why not; None where it was done, or there was nothing to be done after all.
        """
        if not lock.acquire():
            if holder := lock.holder():
                self._holder = holder.user or "another run"
            return f"waiting for {self.device.name}: {self._holder}"
        try:
            occupancy = self._look()
            if not self._references:
                self._others_memory = occupancy.memory_used or 0
            self._alone = not occupancy.foreign
            if self._alone:
                self._calibrate(runs[0])
            taken = self._scheduler.take(self.device, alone=self._alone)
            if taken is not None:
                self._tell([run for run in runs if run is not taken[0]], f"after {taken[0].run}")
                self._waiting.pop(taken[0].run, None)
                self._do(*taken)
                return None
            if not occupancy.foreign:
                return None
            self._do_without(runs, words(occupancy))
            return f"waiting for {self.device.name}: {words(occupancy)}"
        finally:
            lock.release()

    def _calibrate(self, run: ActiveRun) -> None:
        """Learn what the device can do, once per device and driver; costs about two seconds."""
        if self._calibrated or self.device.name == "cpu":
            return
        self._calibrated = True
        assert self._server is not None
        problem = calibrate(self.device, self._server, self._scratch / "calibration")
        if problem:
            run.reporter.notice(f"{self.device.name} could not be calibrated: {problem}")

    def _do_without(self, runs: list[ActiveRun], who: str) -> None:
        """Runs that skip busy devices leave this one to whoever is on it."""
        skipping = [run for run in runs if run.busy is Busy.SKIP]
        for run in self._scheduler.drop_device(self.device, skipping):
            run.give_up_rest(f"{self.device.name} is busy: {who}")

    def _tell(self, runs: list[ActiveRun], reason: str) -> None:
        """Say what runs wait for, each time that it changes."""
        for run in runs:
            waiting = next((unit for part in run.parts for unit in part.units if unit.cells), None)
            # Without sizes of memory, which change all the time.
            known = re.sub(r" \([^)]*\)", "", reason)
            if waiting is not None and self._waiting.get(run.run) != known:
                self._waiting[run.run] = known
                with suppress(NotKept):
                    run.reporter.event(Kind.WAITING, waiting.cells[0].evaluation, message=reason)

    def _look(self) -> Occupancy:
        """Who else is on the device; once something of ours is there, also whether that shows."""
        ours = [os.getpid()]
        children = [found.pid for _, found in self._references.values() if found.pid]
        return look(self.device, ours, children[0] if children else None)

    def _do(self, run: ActiveRun, unit: Unit) -> None:
        """Work on a unit; whatever happens, it is given back."""
        self._units += 1
        folder = self._scratch / f"solution-{self._units}"
        try:
            server = self._live_server(run)
            bench = Bench(
                device=self.device,
                server=server,
                builds=self._builds,
                look=self._look,
                others_memory=self._others_memory,
                should_yield=lambda run: (
                    self._stop()
                    or self._scheduler.should_yield(run, self.device, alone=self._alone)
                ),
                make_room=self._make_room,
                calibration=calibration_of(self.device),
                confirm_free=lambda child, ended: self._confirm_free(run, child, ended),
            )
            kind = SolutionRun if unit.against is None else ComparisonRun
            solution_run = kind(bench, run, unit, self._reference(run, unit.part), folder)
            if solution_run.build():
                solution_run.run()
        except Cancelled:
            pass
        except NotKept as error:
            run.fail(str(error))
        except (SickDevice, ServerFailed):
            raise
        except Exception as error:
            # Whatever it is, it costs this solution and no lane.
            traceback.print_exc()
            run.not_run(unit, f"no verdict: {type(error).__name__}: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._scheduler.give_back(unit)
            if unit.part.ended and id(unit.part) in self._references:
                self._references.pop(id(unit.part))[1].close()

    def _live_server(self, run: ActiveRun) -> Server:
        if self._server is None:
            self._server = Server(self.device, self._scratch, spawn=self._spawn)
            if not self._server.ready.clean:
                run.reporter.notice(
                    f"{self.device.name}: forking is not safe here ({self._server.ready.reason}); "
                    "a fresh interpreter is started for every solution"
                )
        return self._server

    def _reference(self, run: ActiveRun, part: Part) -> Reference:
        known = self._references.get(id(part))
        if known is not None:
            self._references.move_to_end(id(part))
            return known[1]
        while len(self._references) >= MOST_REFERENCES:
            self._references.popitem(last=False)[1][1].close()
        assert self._server is not None
        reference = Reference(
            self._server,
            self._scratch / f"reference-{self._units}",
            part.definition,
            run.request.settings,
            run.find_blob,
            run.stop,
        )
        self._references[id(part)] = (part, reference)
        return reference

    def _make_room(self, reference: Reference) -> None:
        """Give up all that is kept for further solutions; a reference in use starts afresh."""
        for key, (_, other) in list(self._references.items()):
            if other is not reference:
                del self._references[key]
                other.close()
        reference.forget()

    def _drop_references(self) -> None:
        while self._references:
            self._references.popitem()[1][1].close()

    # A device that may be sick

    def _confirm_free(self, run: ActiveRun, child: Child, ended: protocol.Ended) -> None:
        """Make sure that a child that is gone left the device as it was.

        Raises:
            SickDevice: It did not, and a healthy process cannot use the device either.
        """
        if self.device.name == "cpu":
            if ended.stuck:
                run.reporter.notice(
                    f"{ended.stuck} processes on {self.device.name} cannot be killed yet; they "
                    "may slow down what follows"
                )
            return
        if ended.stuck:
            self._quarantine(f"{ended.stuck} processes cannot be killed", run)
        # Where processes are hidden, an empty list of them means nothing.
        if self._look().known and wait_free(self.device, [child.pid], FREE_LIMIT_S) is False:
            reason = f"the memory of a killed process did not come back in {FREE_LIMIT_S:g} s"
            self._quarantine(reason, run)
        if child.hung and self._is_broken():
            self._quarantine("a healthy process cannot use it any more", run)

    def _is_broken(self) -> bool:
        """Whether a fresh process fails to run a kernel."""
        assert self._server is not None
        try:
            self._server.child(self._scratch / "health", trusted=True).kill()
        except (ChildGone, ChildTimedOut, ChildBrokeProtocol):
            return True
        return False

    def _quarantine(self, reason: str, run: ActiveRun) -> None:
        """Use the device no more, for anything, until a person puts it back.

        Raises:
            SickDevice: Always.
        """
        quarantine(self.device.key, reason, run.run)
        raise SickDevice(
            f"{self.device.name} is quarantined: {reason}. "
            f"`fitui devices --release {self.device.name}` puts it back"
        )
