"""The guardian: forks one child, watches it, and leaves nothing of it behind.

It runs no user code, adopts the child's orphans, kills the whole tree when the runner says so or
goes away, and reports how the child ended. It also releases a stream that the child has blocked
for too long, since the child's own threads may never get the interpreter's lock.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

from engine.measure import gate_page
from engine.run import reap
from engine.run.channel import Channel
from engine.run.limits import Watch
from engine.run.prepare import prepare_child
from engine.run.protocol import Ended, Fork, Watching

_ROUNDS = 20
"""How many looks at the child there are for one at its memory."""
RELEASE_AFTER_S = 0.1
"""How long a call may keep a stream blocked before it counts as synchronising inside."""


def guard(order: Fork, channel: int, log: int, status: int, page: int) -> None:
    """Be the guardian of one child; never returns.

    Args:
        order: What kind of child.
        channel: The child's end of its conversation with the runner.
        log: Where the child's output goes.
        status: Our conversation with the runner; its end means: kill.
        page: Memory file that the child and its guardian share.
    """
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        reap.adopt_orphans()
        guardian = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become_child(order, channel, log, page, guardian)
        os.close(channel)
        os.close(log)
        watch = Watch(order.memory_limit, order.process_limit)
        _watch(pid, socket.socket(fileno=status), page, watch)
        code = 0
    finally:
        os._exit(code)


def _become_child(order: Fork, channel: int, log: int, page: int, guardian: int) -> None:
    code = 1
    try:
        prepare_child(Path(order.scratch), log, (channel, page), guardian)
        if order.spawn:
            for descriptor in (channel, page):
                os.set_inheritable(descriptor, True)
            role = "trusted" if order.trusted else "solution"
            arguments = [role, order.device, str(channel), str(page)]
            command = [sys.executable, "-m", "engine.run.worker", *arguments]
            os.execv(sys.executable, command)
        from engine.run.worker import main

        code = main(order.trusted, order.device, channel, page)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _watch(pid: int, status: socket.socket, page: int, watch: Watch) -> None:
    conversation: Channel[Watching] = Channel(status, Watching)
    conversation.send(Watching(pid=pid, guardian=os.getpid()))
    shared = mmap.mmap(page, gate_page.SIZE)
    child = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(child, select.POLLIN)
    poller.register(status.fileno(), select.POLLIN | select.POLLHUP)
    over_limit, rounds = "", 0
    while not poller.poll(10) and not over_limit:
        _release_if_stuck(shared)
        rounds += 1
        over_limit = watch.too_many() or (watch.too_much() if rounds % _ROUNDS == 0 else "")
    code, signalled = _collect(pid)
    killed, stuck = reap.kill_descendants()
    if code is None and signalled is None:
        signalled, killed = int(signal.SIGKILL), killed - 1
    conversation.send(
        Ended(code=code, signal=signalled, orphans=killed, stuck=stuck, over_limit=over_limit)
    )


def _collect(pid: int) -> tuple[int | None, int | None]:
    """Exit code and signal of the child; both None while it lives."""
    try:
        got, state = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None, int(signal.SIGKILL)
    if got == 0:
        return None, None
    result = os.waitstatus_to_exitcode(state)
    return (result, None) if result >= 0 else (None, -result)


def _release_if_stuck(shared: mmap.mmap) -> None:
    armed = gate_page.armed_at(shared)
    if armed and time.monotonic_ns() - armed > RELEASE_AFTER_S * 1e9:
        gate_page.release(shared)
