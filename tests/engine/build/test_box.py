"""A command in its box: limited, heard while it speaks, and gone with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.build import boxed
from engine.build.boxed import BOX, GIB, End, How, Limits, default_limits, run_boxed

ROOT = Path(__file__).parents[3]
TREE = "setsid sleep {0} & (sleep {0}; true) & echo begun; sleep {0}"


class Heard:
    """What a command said, and a way to wait for it."""

    def __init__(self) -> None:
        self.data = b""
        self.begun = threading.Event()

    def __call__(self, data: bytes) -> None:
        self.data += data
        self.begun.set()


def box(
    *command: str,
    seconds: float = 30.0,
    stop: Callable[[], bool] = lambda: False,
    hear: Callable[[bytes], None] = lambda data: None,
    limits: Limits | None = None,
    environment: dict[str, str] | None = None,
) -> End:
    return run_boxed(
        command,
        folder=Path("/"),
        environment=environment or {"PATH": os.environ["PATH"]},
        limits=limits or Limits(4 * GIB),
        seconds=seconds,
        stop=stop,
        hear=hear,
    )


def alive(mark: str) -> list[int]:
    """Processes, but zombies, with an argument that is exactly ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def gone(mark: str, limit: float = 5.0) -> bool:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if not alive(mark):
            return True
        time.sleep(0.01)
    return False


def test_it_tells_how_a_command_ended() -> None:
    assert box("/bin/sh", "-c", "exit 0") == End(How.EXIT, 0)
    assert box("/bin/sh", "-c", "exit 3") == End(How.EXIT, 3)
    assert box("/bin/sh", "-c", "kill -11 $$") == End(How.SIGNAL, 11)


def test_a_program_that_is_not_there_is_named() -> None:
    end = box("/no/such/compiler", "x")
    assert end.how is How.FAILED
    assert "/no/such/compiler cannot be started: " in end.text


def test_a_box_that_cannot_work_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxed, "BOX", tmp_path / "missing.py")
    assert box("/bin/true") == End(How.FAILED, text="the compiler's box ended with status 2")


def test_output_and_errors_are_heard_while_the_command_runs() -> None:
    heard = Heard()
    end = box("/bin/sh", "-c", "echo a; echo b >&2; sleep 60", stop=heard.begun.is_set, hear=heard)
    assert end.how is How.STOPPED
    assert heard.data == b"a\nb\n"


def test_all_output_is_heard_however_much() -> None:
    heard = Heard()
    assert box("/bin/sh", "-c", "head -c 3000000 /dev/zero", hear=heard) == End(How.EXIT, 0)
    assert len(heard.data) == 3_000_000


def test_past_its_time_it_is_killed_with_all_that_it_started() -> None:
    began = time.monotonic()
    assert box("/bin/sh", "-c", TREE.format("1000.25"), seconds=0.5).how is How.LATE
    assert time.monotonic() - began < 5
    assert alive("1000.25") == []


def test_when_it_is_stopped_nothing_is_left() -> None:
    heard = Heard()
    end = box("/bin/sh", "-c", TREE.format("1001.25"), stop=heard.begun.is_set, hear=heard)
    assert end.how is How.STOPPED
    assert alive("1001.25") == []


def test_what_a_command_leaves_running_is_killed() -> None:
    assert box("/bin/sh", "-c", "setsid sleep 1002.25 & exit 0") == End(How.EXIT, 0)
    assert alive("1002.25") == []


def boxes(mark: str) -> list[int]:
    """Boxes that hold a command with this argument."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
        and all(part in _words(entry) for part in (str(BOX).encode(), mark.encode()))
    ]


def _words(entry: Path) -> list[bytes]:
    try:
        return (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_when_the_box_is_killed_its_command_is_too() -> None:
    heard = Heard()
    script = "(sleep 1003.25; true) & echo begun; sleep 1003.25"
    ends: list[End] = []
    thread = threading.Thread(
        target=lambda: ends.append(box("/bin/sh", "-c", script, "1003.5", hear=heard))
    )
    thread.start()
    assert heard.begun.wait(10)
    (pid,) = boxes("1003.5")
    os.kill(pid, signal.SIGKILL)
    thread.join(10)
    assert ends == [End(How.LOST)]
    assert gone("1003.25")


def test_when_the_runner_is_killed_the_box_ends_with_everything() -> None:
    program = (
        "from pathlib import Path\n"
        "from engine.build.boxed import Limits, run_boxed\n"
        f"run_boxed(['/bin/sh', '-c', {TREE.format('1004.25')!r}], folder=Path('/'),"
        " environment={'PATH': '/usr/bin:/bin'}, limits=Limits(4 << 30), seconds=100,"
        " stop=lambda: False, hear=lambda data: None)\n"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with runner:
        deadline = time.monotonic() + 10
        while len(alive("1004.25")) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        running = len(alive("1004.25"))
        runner.kill()
    assert running == 3
    assert gone("1004.25")


def test_each_process_is_limited() -> None:
    heard = Heard()
    script = "ulimit -v; ulimit -c; ulimit -f; grep NoNewPrivs /proc/self/status; cat"
    assert box("/bin/bash", "-c", script, hear=heard, limits=Limits(GIB, 1 << 20)).code == 0
    memory, core, size, privileges = heard.data.decode().split("\n")[:4]
    assert (memory, core, size) == (str(1 << 20), "0", "1024")
    assert privileges.split()[1] == "1"


def test_a_file_beyond_the_limit_ends_it() -> None:
    command = ("/bin/sh", "-c", "exec head -c 5000000 /dev/zero > $OUT")
    environment = {"PATH": os.environ["PATH"], "OUT": "/dev/shm/fitui-test-box"}
    try:
        end = box(*command, limits=Limits(GIB, 1 << 20), environment=environment)
    finally:
        Path("/dev/shm/fitui-test-box").unlink(missing_ok=True)
    assert end == End(How.SIGNAL, signal.SIGXFSZ)


def test_it_has_a_session_of_its_own() -> None:
    heard = Heard()
    box(sys.executable, "-c", "import os; print(os.getsid(0))", hear=heard)
    assert int(heard.data) != os.getsid(0)


def test_memory_for_a_compiler_is_between_4_and_64_gib() -> None:
    assert 4 * GIB <= default_limits().memory <= 64 * GIB


def test_it_starts_without_the_slow_modules() -> None:
    program = (
        f"import sys; exec(compile(open({str(BOX)!r}).read(), 'box', 'exec'), {{'__name__': 'b'}});"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    slow = {"signal", "enum", "re", "subprocess", "pathlib", "threading", "typing", "socket"}
    assert slow & set(done.stdout.split()) == set()
