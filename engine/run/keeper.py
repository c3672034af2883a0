"""The keeper: starts the runner of a queue, and starts it again when it is killed.

Started by ``client.start_runner`` as ``python -m engine.run.keeper STATE HOST KEY``. It does
nothing else, so that there is little that could end it; where it does end, the runner lives on, and
whoever looks at a run next starts another pair.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.run import reap
from engine.run.queue import Queue, take_lock

MOST_RESTARTS = 1000
"""Runs that kill their runner are given up by the runner itself; this ends all that it cannot."""


def main(state: Path, host: str, key: str) -> int:
    """Keep a runner until the queue is empty or it is told to go."""
    lock = take_lock(Queue(state).lock_file(host, key))
    if lock is None:
        return 0
    os.environ["FITUI_STATE"] = str(state)
    reap.adopt_orphans()
    for _ in range(MOST_RESTARTS):
        started = time.monotonic()
        runner = os.fork()
        if runner == 0:
            _become_runner(state, host, key, lock)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{runner}\n".encode(), 0)
        _forward_signals(runner)
        _, status = os.waitpid(runner, 0)
        reap.kill_descendants()
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        print(f"the runner {how}; another is started", file=sys.stderr, flush=True)
        if not _holds(lock):
            return 0
        if time.monotonic() - started < 0.5:
            time.sleep(0.5)
    return 1


def _holds(lock: int) -> bool:
    """Whether we have the runner's lock, which a runner gives up before it leaves."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _become_runner(state: Path, host: str, key: str, lock: int) -> None:
    code = 1
    try:
        from engine.run.runner import serve

        code = serve(state, host, key, lock)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _forward_signals(runner: int) -> None:
    def forward(number: int, _frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(runner, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
