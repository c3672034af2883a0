"""The runner's side of fork servers and children: start, ask with a deadline, kill."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.measure import gate_page
from engine.run import protocol, reap
from engine.run.capture import Capture
from engine.run.channel import Channel, ChannelClosed, ProtocolError
from engine.run.devices import Device
from engine.run.limits import MOST_PROCESSES, memory_limit
from engine.run.prepare import clean_environment

SERVER_START_S = 180.0
CHILD_START_S = 60.0
MOST_STARTS = 20
"""How often a fork server is started that somebody kills."""
_SLICE_S = 0.1


class ServerFailed(Exception):
    """The fork server could not be started or has died; says why."""


class ChildTimedOut(Exception):
    """A child did not answer in time. It has been killed."""

    def __init__(self, phase: str, limit: float) -> None:
        super().__init__(f"{phase} did not finish within {limit:g} s")
        self.phase = phase


class ChildGone(Exception):
    """A child ended instead of answering.

    Attributes:
        ended: How, as its guardian reports.
    """

    def __init__(self, ended: protocol.Ended) -> None:
        super().__init__(describe_end(ended))
        self.ended = ended


class ChildBrokeProtocol(Exception):
    """A child sent something that is no answer. It has been killed."""


class Cancelled(Exception):
    """The user asked the run to stop."""


class SickDevice(Exception):
    """A device can no longer be trusted; says why."""


def describe_end(ended: protocol.Ended) -> str:
    """How a process ended, in words."""
    if ended.signal is not None:
        try:
            name = signal.Signals(ended.signal).name
        except ValueError:
            name = f"signal {ended.signal}"
        return f"the process was killed by {name}"
    return f"the process ended by itself with exit code {ended.code}"


class Server:
    """A fork server for one device.

    Args:
        device: The only one that its children see.
        cwd: A folder it may stand in.
        spawn: Start a fresh interpreter for every child instead of forking.

    Raises:
        ServerFailed: It did not come up.
    """

    def __init__(self, device: Device, cwd: Path, *, spawn: bool = False) -> None:
        self._device = device
        self._cwd = cwd
        self._always_spawn = spawn
        self._children: list[Child] = []
        self.device = device.name.partition(":")[0]
        self._start()

    def _start(self) -> None:
        """Start it; again where it is killed from outside meanwhile."""
        for attempt in range(1, MOST_STARTS + 1):
            try:
                self._start_once()
                return
            except ServerFailed:
                if self._process.returncode != -signal.SIGKILL or attempt == MOST_STARTS:
                    raise

    def _start_once(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.run.forkserver", self.device, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_server_environment(self._device, self._cwd),
                cwd=self._cwd,
            )
        self._channel: Channel[protocol.ServerReady] = Channel(ours, protocol.ServerReady)
        try:
            self.ready, _ = self._channel.receive(SERVER_START_S)
        except (ChannelClosed, TimeoutError, ProtocolError) as error:
            self.close()
            reason = str(error) or type(error).__name__
            raise ServerFailed(
                f"the worker process for {self._device.name} did not start: {reason}"
            ) from None
        self.spawn = self._always_spawn or not self.ready.clean

    def child(self, scratch: Path, *, trusted: bool = False, memory: int = 0) -> Child:
        """Start a child; a server that has died (out of memory, killed) is started again.

        Args:
            scratch: Its private folder.
            trusted: In the reference's role.
            memory: Bytes that it may use; 0 for a share of the machine's.

        Raises:
            ServerFailed: The server is gone for good.
            ChildGone: The child ended before it was ready.
            ChildTimedOut: It did not become ready.
        """
        scratch.mkdir(parents=True, exist_ok=True)
        for _ in range(MOST_STARTS):
            try:
                return self._fork(scratch, trusted, memory)
            except ServerFailed:
                self.close()
                self._start()
        return self._fork(scratch, trusted, memory)

    def _fork(self, scratch: Path, trusted: bool, memory: int) -> Child:
        ours, theirs = socket.socketpair()
        status, guardian_status = socket.socketpair()
        log_read, log_write = os.pipe2(os.O_CLOEXEC)
        page = os.memfd_create("gate", os.MFD_CLOEXEC)
        os.ftruncate(page, gate_page.SIZE)
        order = protocol.Fork(
            scratch=str(scratch),
            trusted=trusted,
            spawn=self.spawn,
            device=self.device,
            memory_limit=memory or memory_limit(),
            process_limit=MOST_PROCESSES,
        )
        handed = (theirs.fileno(), log_write, guardian_status.fileno(), page)
        try:
            self._channel.send(order, handed)
        except ChannelClosed:
            os.close(log_read)
            ours.close()
            status.close()
            raise ServerFailed("the worker process has died") from None
        finally:
            theirs.close()
            guardian_status.close()
            os.close(log_write)
            os.close(page)
        child = Child(ours, status, log_read, self._kill_strays)
        self._children = [*(one for one in self._children if one.ended is None), child]
        return child

    def _kill_strays(self, orphaned: Child) -> None:
        """Kill what a guardian that did not live to do it has left; the server adopted it."""
        keep = {one.guardian for one in self._children if one.ended is None}
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            left = reap.descendants(self._process.pid, keep - {orphaned.guardian})
            if not left and not Path(f"/proc/{orphaned.pid}").exists():
                return
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    def close(self) -> None:
        """End the server. Children live on until they are killed."""
        self._channel.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _server_environment(device: Device, cwd: Path) -> dict[str, str]:
    environment = clean_environment(device)
    # An installed interpreter is enough for itself; a checkout is found by its path.
    root = str(Path(__file__).resolve().parents[2])
    known = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(part for part in (root, known) if part)
    environment["HOME"] = str(cwd)
    return environment


class Child:
    """One child and its guardian.

    Attributes:
        capture: What it printed.
        ended: How it ended, once it has.
        hung: It did not answer in time.
    """

    def __init__(
        self,
        conversation: socket.socket,
        status: socket.socket,
        log: int,
        lost: Callable[[Child], None],
    ) -> None:
        self._channel: Channel[Any] = Channel(conversation, protocol.FromChild)
        self._status: Channel[Any] = Channel(status, protocol.Watching | protocol.Ended)
        self._log = log
        self._log_open = True
        os.set_blocking(log, False)
        self.capture = Capture()
        self.ended: protocol.Ended | None = None
        self.hung = False
        self.pid = self.guardian = 0
        self._lost = lost
        self._had_to_kill = False
        try:
            watching, _ = self._status.receive(CHILD_START_S)
            self.pid, self.guardian = watching.pid, watching.guardian
        except (ChannelClosed, TimeoutError, ProtocolError):
            self.kill()
            raise ServerFailed("the guardian of a child did not start") from None
        self._wait(CHILD_START_S, "starting", lambda: False)

    def ask(
        self,
        message: Any,
        *,
        limit: float,
        phase: str,
        descriptors: tuple[int, ...] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> tuple[Any, list[int]]:
        """Give an order and wait for its answer.

        Args:
            message: The order.
            limit: Seconds.
            phase: What it is, for the error.
            descriptors: To send along.
            stop: Asked now and then; True cancels.

        Raises:
            ChildTimedOut: No answer in time; the child is dead.
            ChildGone: It ended.
            ChildBrokeProtocol: What came is no answer; the child is dead.
            Cancelled: ``stop`` said so; the child is dead.
        """
        try:
            self._channel.send(message, descriptors)
        except ChannelClosed:
            raise self._gone() from None
        return self._wait(limit, phase, stop)

    def _wait(self, limit: float, phase: str, stop: Callable[[], bool]) -> tuple[Any, list[int]]:
        deadline = time.monotonic() + limit
        poller = select.poll()
        poller.register(self._channel.fileno(), select.POLLIN)
        if self._log_open:
            poller.register(self._log, select.POLLIN)
        try:
            while True:
                answer = self._channel.buffered()
                if answer is not None:
                    self._drain()
                    return answer
                left = deadline - time.monotonic()
                if left <= 0:
                    self.hung = True
                    self._dump_stack()
                    self.kill()
                    raise ChildTimedOut(phase, limit)
                if stop():
                    self.kill()
                    raise Cancelled
                for descriptor, _ in poller.poll(min(left, _SLICE_S) * 1000):
                    if descriptor != self._log:
                        self._channel.receive_some()
                    elif not self._drain():
                        poller.unregister(self._log)
        except ChannelClosed:
            raise self._gone() from None
        except ProtocolError as error:
            self.kill()
            raise ChildBrokeProtocol(str(error)) from None

    def _drain(self) -> bool:
        """Take what was printed; False once nobody can print any more."""
        while self._log_open:
            try:
                data = os.read(self._log, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                self._log_open = False
                break
            self.capture.feed(data)
            if len(data) < 1 << 16:
                return True
        return False

    def _dump_stack(self) -> None:
        """Have the child print where it is, so that a timeout says where it hung."""
        try:
            os.kill(self.pid, signal.SIGUSR1)
        except OSError:
            return
        before = self.capture.total
        for _ in range(10):
            time.sleep(0.03)
            self._drain()
            if self.capture.total > before:
                time.sleep(0.03)
                break

    def _gone(self) -> Exception:
        """The child has closed the conversation: learn whether and how it ended."""
        ended = self.kill(grace=1.0)
        if self._had_to_kill and not ended.over_limit:
            return ChildBrokeProtocol("it closed its conversation with the runner")
        return ChildGone(ended)

    def kill(self, grace: float = 0.0) -> protocol.Ended:
        """Kill the child with everything it started, unless it ends within ``grace`` seconds.

        Returns:
            How it ended.
        """
        if self.ended is not None:
            return self.ended
        self._channel.close()
        self.ended = self._last_words(grace)
        if self.ended is None:
            self._had_to_kill = True
            self._status.hang_up()
            self.ended = self._last_words(10.0)
        if self.ended is None:
            self.ended = protocol.Ended(code=None, signal=int(signal.SIGKILL), stuck=1)
        self._drain()
        self._status.close()
        os.close(self._log)
        self._log_open = False
        return self.ended

    def _last_words(self, seconds: float) -> protocol.Ended | None:
        """Wait for the guardian's report while taking what is printed."""
        deadline = time.monotonic() + seconds
        while True:
            self._drain()
            try:
                message, _ = self._status.receive(0.02)
            except TimeoutError:
                if time.monotonic() >= deadline:
                    return None
                continue
            except (ChannelClosed, ProtocolError):
                # The guardian itself is gone. The child dies with it (PDEATHSIG), unless it took
                # that back; whatever it started is ours now.
                self._lost(self)
                return protocol.Ended(code=None, signal=int(signal.SIGKILL))
            if isinstance(message, protocol.Ended):
                return message
