"""The lock that all users of a machine share, and who holds it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run import locks
from engine.run.devices import Device
from engine.run.locks import DeviceLock, find_holder

ROOT = Path(__file__).parents[3]

HOLDER = """
import sys
from pathlib import Path
from engine.run import locks
from engine.run.devices import Device
from engine.run.locks import DeviceLock
locks.SHARED = Path(sys.argv[2])
lock = DeviceLock(Device(name="cuda:0", hardware="x", key=sys.argv[1]))
print(lock.acquire(), flush=True)
for line in sys.stdin:
    if line == "again\\n":
        print(lock.acquire(), flush=True)
        continue
    lock.release()
    print("released", flush=True)
"""


class Holder:
    """Another process that holds the lock of a device."""

    def __init__(self, key: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, key, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.has_it = self.hear() == "True"

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def let_go(self) -> None:
        self.tell("release")
        assert self.hear() == "released"

    def ask_again(self) -> None:
        self.tell("again")
        self.has_it = self.hear() == "True"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


GPU = Device(name="cuda:0", hardware="x", key="GPU-test")


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceLock]:
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    made = DeviceLock(GPU)
    yield made
    made.close()


@pytest.fixture
def holder(lock: DeviceLock, tmp_path: Path) -> Iterator[Holder]:
    made = Holder(GPU.key, tmp_path)
    yield made
    made.end()


def test_only_one_process_holds_a_device(lock: DeviceLock, holder: Holder) -> None:
    assert holder.has_it
    assert not lock.acquire()
    holder.let_go()
    assert lock.acquire()


def test_the_lock_of_a_process_that_was_killed_is_free(lock: DeviceLock, holder: Holder) -> None:
    assert not lock.acquire()
    holder.end()
    assert lock.acquire()


def test_one_that_waits_comes_before_one_that_wants_it_again(
    lock: DeviceLock, holder: Holder
) -> None:
    assert not lock.acquire()
    holder.let_go()
    holder.ask_again()
    assert not holder.has_it
    assert lock.acquire()
    lock.release()
    holder.ask_again()
    assert holder.has_it


def test_a_process_does_not_get_what_we_hold(lock: DeviceLock, tmp_path: Path) -> None:
    assert lock.acquire()
    other = Holder(GPU.key, tmp_path)
    assert not other.has_it
    other.end()


def test_other_devices_have_locks_of_their_own(lock: DeviceLock, tmp_path: Path) -> None:
    assert lock.acquire()
    other = Holder("GPU-other", tmp_path)
    assert other.has_it
    other.end()


def test_every_user_can_open_the_lock_and_none_but_its_maker_write_it(lock: DeviceLock) -> None:
    assert stat.S_IMODE(lock.path.stat().st_mode) == 0o644


def test_a_lock_that_somebody_made_before_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    path = tmp_path / "fitui-device-GPU-test.lock"
    path.touch(mode=0o444)
    made = DeviceLock(GPU)
    assert made.path == path
    assert made.acquire()
    made.close()


def test_a_lock_that_was_tidied_away_is_made_again(lock: DeviceLock, tmp_path: Path) -> None:
    lock.path.unlink()
    other = Holder(GPU.key, tmp_path)
    assert other.has_it
    assert not lock.acquire()
    other.let_go()
    assert lock.acquire()
    other.end()


def test_a_lock_in_use_is_not_old_to_what_tidies_up(lock: DeviceLock) -> None:
    for path in (lock.path, lock.path.with_suffix(".turn")):
        os.utime(path, (1, 1))
    assert lock.acquire()
    if os.statvfs(lock.path).f_flag & os.ST_NOATIME:
        pytest.skip("this folder does not tell when a file was read")
    for path in (lock.path, lock.path.with_suffix(".turn")):
        assert path.stat().st_atime > 1


def test_a_link_in_the_locks_place_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    (tmp_path / "elsewhere").touch()
    (tmp_path / "fitui-device-GPU-test.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        DeviceLock(GPU)


def test_the_holder_is_known_by_process_and_user(lock: DeviceLock, holder: Holder) -> None:
    found = lock.holder()
    assert found is not None
    assert found.pid == holder.process.pid
    assert found.user == pwd.getpwuid(os.getuid()).pw_name
    holder.let_go()
    assert lock.holder() is None
    assert lock.acquire()
    ours = lock.holder()
    assert ours is not None and ours.pid == os.getpid()


def test_a_lock_that_was_never_made_has_no_holder_and_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    assert find_holder(GPU) is None
    assert list(tmp_path.glob("fitui-device-*")) == []


def test_a_holder_that_is_hidden_from_us_is_somebody(
    lock: DeviceLock, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_holding", lambda name: None)
    assert lock.holder() == locks.Holder(0, "")
    holder.let_go()
    assert lock.holder() is None
    assert lock.acquire()


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("1: FLOCK  ADVISORY  WRITE 20278 fe:00:2148071 0 EOF", 20278),
        ("7: FLOCK  ADVISORY  WRITE -1 fe:00:2148071 0 EOF", 0),
        ("1: FLOCK  ADVISORY  WRITE 20278 fe:00:21480711 0 EOF", None),
        ("1: FLOCK  ADVISORY  WRITE 20278 fe:01:2148071 0 EOF", None),
        ("1: POSIX  ADVISORY  WRITE 20278 fe:00:2148071 0 EOF", None),
        ("1: -> FLOCK  ADVISORY  WRITE 20278 fe:00:2148071 0 EOF", None),
        ("", None),
    ],
)
def test_locks_of_the_kernels_list_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, text: str, pid: int | None
) -> None:
    monkeypatch.setattr(locks, "_lines", lambda path: [text] if text else [])
    assert locks._holding("fe:00:2148071") == pid
