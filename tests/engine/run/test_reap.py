"""Killing what a process started, with real processes in an interpreter of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(code: str) -> list[str]:
    """Run a program that knows ``reap`` and ``spawn``, and return what it printed.

    ``spawn(lines)`` forks a process that carries lines of Python out and then sleeps; it returns
    once the process wrote a line, with that line.
    """
    program = textwrap.dedent(
        """
        import os, signal, sys, time
        from engine.run import reap

        def spawn(lines):
            read, write = os.pipe()
            if os.fork() == 0:
                os.close(read)
                def tell(*values):
                    os.write(write, (" ".join(map(str, values)) + "\\n").encode())
                exec(lines, {**globals(), "tell": tell})
                time.sleep(1000)
                os._exit(0)
            os.close(write)
            with os.fdopen(read) as stream:
                return stream.readline().split()

        def lives(pid):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return False
            return True
        """
    ) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_child_is_killed_and_collected() -> None:
    assert run(
        """
        (pid,) = spawn("tell(os.getpid())")
        print(reap.kill_descendants(), lives(pid))
        """
    ) == ["(1, 0) False"]


def test_an_orphaned_daemon_is_adopted_and_killed() -> None:
    daemon = (
        "import os\\n"
        "if os.fork() == 0:\\n"
        "    os.setsid()\\n"
        "    if os.fork() == 0:\\n"
        "        tell(os.getpid())\\n"
        "    else:\\n"
        "        os._exit(0)\\n"
        "else:\\n"
        "    os._exit(0)\\n"
    )
    assert run(
        f"""
        reap.adopt_orphans()
        (pid,) = spawn("{daemon}")
        print(lives(pid))
        killed, stuck = reap.kill_descendants()
        print(killed >= 1, stuck, lives(pid), reap.descendants(os.getpid()))
        """
    ) == ["True", "True 0 False []"]


def test_a_whole_tree_is_killed_from_the_root_whatever_it_ignores() -> None:
    tree = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
        "pids = [os.getpid()]\\n"
        "for _ in range(3):\\n"
        "    pid = os.fork()\\n"
        "    if pid == 0:\\n"
        "        os.setsid()\\n"
        "        time.sleep(1000)\\n"
        "    pids.append(pid)\\n"
        "tell(*pids)\\n"
    )
    assert run(
        f"""
        reap.adopt_orphans()
        pids = spawn("{tree}")
        print(sorted(map(int, pids)) == sorted(reap.descendants(os.getpid())))
        print(reap.kill_descendants(), [pid for pid in pids if lives(pid)])
        """
    ) == ["True", "(4, 0) []"]


def test_what_has_ended_already_is_collected_and_not_counted() -> None:
    assert run(
        """
        spawn("tell('x'); os._exit(0)")
        while "Z" not in open(f"/proc/{reap.descendants(os.getpid())[0]}/stat").read():
            time.sleep(0.01)
        print(reap.kill_descendants(), reap.descendants(os.getpid()))
        """
    ) == ["(0, 0) []"]


def test_nothing_below_is_nothing_to_do() -> None:
    assert run("print(reap.kill_descendants())") == ["(0, 0)"]


def test_a_process_whose_name_looks_like_fields_is_found() -> None:
    assert run(
        """
        (pid,) = spawn("open('/proc/self/comm', 'w').write('a) R 1 (b'); tell(os.getpid())")
        print(reap.descendants(os.getpid()) == [int(pid)])
        reap.kill_descendants()
        """
    ) == ["True"]


def test_a_child_dies_with_its_parent() -> None:
    middle = (
        "parent = os.getpid()\\n"
        "child = os.fork()\\n"
        "if child == 0:\\n"
        "    reap.die_with_parent(parent)\\n"
        "    tell(os.getpid(), parent)\\n"
        "    time.sleep(1000)\\n"
    )
    assert run(
        f"""
        reap.adopt_orphans()
        child, parent = map(int, spawn("{middle}"))
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    ) == ["-9"]


def test_a_child_whose_parent_has_gone_before_dies_at_once() -> None:
    assert run(
        """
        child = os.fork()
        if child == 0:
            reap.die_with_parent(os.getppid() + 1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    ) == ["-9"]


def test_new_privileges_are_forbidden_for_good() -> None:
    assert run(
        """
        reap.forbid_new_privileges()
        print([line for line in open("/proc/self/status") if "NoNewPrivs" in line][0].split()[1])
        """
    ) == ["1"]
