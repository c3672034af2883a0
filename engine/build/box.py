"""Runs one compiler command in a box: limited, watched, and gone with everything it started.

A stand-alone script, started as ``python -I -S box.py MEMORY FILE_SIZE SECONDS COMMAND...`` in a
session of its own. Standard input is a socket: its other end is held by whoever wants the command
to run; when that end is closed, or its holder dies, the command is killed. The last thing that the
box does is to write one line there, once nothing of the command lives any more::

    exit STATUS | signal NUMBER | late 0 | stopped 0 | failed TEXT

It imports as little as it can, because it is started for every file of every build: not even
``signal``, which costs as much as the rest of the interpreter's start.
"""

import ctypes
import os
import resource
import select
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_SIGPIPE = 13
_SIGXFSZ = 25
_WITHOUT_PIDFD_S = 0.01
_KILLING_S = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    """Run the command that the arguments name, and report how it ended."""
    memory, size, seconds, *command = arguments
    deadline = time.monotonic() + float(seconds)
    control = os.dup(0)  # not inherited by the command, unlike descriptor 0
    os.dup2(os.open("/dev/null", os.O_RDWR), 0)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    box = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, int(memory), int(size), box, control)
    report = _wait(child, control, deadline)
    _kill_the_rest()
    os.write(control, f"{report}\n".encode())


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _become(command: list[str], memory: int, size: int, box: int, control: int) -> None:
    """Turn this process into the command."""
    try:
        _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        if os.getppid() != box:
            os._exit(127)
        _limit(resource.RLIMIT_AS, memory)
        _limit(resource.RLIMIT_FSIZE, size)
        _limit(resource.RLIMIT_CORE, 0)
        for ignored_by_python in (_SIGPIPE, _SIGXFSZ):
            _libc.signal(ignored_by_python, None)
        os.execv(command[0], command)
    except BaseException as error:
        os.write(control, f"failed {command[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(127)


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (value, value))


def _wait(child: int, control: int, deadline: float) -> str:
    """How the command ended, or why it has to."""
    watch = select.poll()
    watch.register(control, select.POLLIN)
    longest = float("inf")
    try:
        watch.register(os.pidfd_open(child), select.POLLIN)
    except (OSError, AttributeError):  # an old kernel, or one that only looks like Linux
        longest = _WITHOUT_PIDFD_S
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return f"exit {code}" if code >= 0 else f"signal {-code}"
        left = deadline - time.monotonic()
        if left <= 0:
            return "late 0"
        if any(found == control for found, _ in watch.poll(min(left, longest) * 1000 + 1)):
            return "stopped 0"


def _kill_the_rest() -> None:
    """Kill and collect what the command left; as the adopter of orphans we see all of it."""
    deadline = time.monotonic() + _KILLING_S
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, _SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.002)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (pathlib would double the start-up time)
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                    parent = file.read().rpartition(")")[2].split()[1]
            except OSError:
                continue
            children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
