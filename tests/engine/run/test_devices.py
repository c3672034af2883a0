"""Devices by name, and the lock that two processes share."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.run import devices
from engine.run.devices import Device, DeviceLock, UnknownDevice, find_devices, list_devices

ROOT = Path(__file__).parents[3]

SMI = """\
0, NVIDIA H200, GPU-aaaa, 570.1
1, NVIDIA H200, GPU-bbbb, 570.1
2, NVIDIA L4, GPU-cccc, 570.1
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes this a machine whose ``nvidia-smi`` prints a text, or has none."""

    def make(text: str | None, *, visible: str | None = None) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        if text is not None:
            (folder / "gpus").write_text(text)
            tool = folder / "nvidia-smi"
            tool.write_text(f'#!/bin/sh\nwhile read -r row; do echo "$row"; done < {folder}/gpus\n')
            tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        forget()

    def forget() -> None:
        devices._gpus.cache_clear()
        devices.list_devices.cache_clear()

    yield make
    forget()


def test_a_machine_without_gpus_has_its_processor(machine: Callable[..., None]) -> None:
    machine(None)
    (cpu,) = list_devices()
    assert (cpu.name, cpu.key, cpu.driver) == ("cpu", "cpu", "")
    assert cpu.hardware.startswith("CPU")
    assert devices.default_device() == "cpu"


def test_gpus_come_first_and_are_numbered(machine: Callable[..., None]) -> None:
    machine(SMI)
    assert [device.name for device in list_devices()] == ["cuda:0", "cuda:1", "cuda:2", "cpu"]
    assert list_devices()[2] == Device(
        name="cuda:2", hardware="NVIDIA L4", key="GPU-cccc", driver="570.1"
    )


@pytest.mark.parametrize(
    ("visible", "keys"),
    [
        ("1", ["GPU-bbbb"]),
        ("2,0", ["GPU-cccc", "GPU-aaaa"]),
        ("GPU-cccc,GPU-bbbb", ["GPU-cccc", "GPU-bbbb"]),
        ("", []),
        ("-1", []),
    ],
)
def test_the_environment_chooses_and_renumbers_gpus_as_cuda_does(
    machine: Callable[..., None], visible: str, keys: list[str]
) -> None:
    machine(SMI, visible=visible)
    gpus = list_devices()[:-1]
    assert [device.key for device in gpus] == keys
    assert [device.name for device in gpus] == [f"cuda:{number}" for number in range(len(keys))]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cpu", ["cpu"]),
        ("cuda", ["cuda:0"]),
        ("cuda:2", ["cuda:2"]),
        ("cuda:2,0", ["cuda:2", "cuda:0"]),
        ("cuda:1,1", ["cuda:1"]),
        ("idle", ["cuda:0"]),
        ("", ["cuda:0"]),
    ],
)
def test_a_users_text_means_devices(
    machine: Callable[..., None], text: str, names: list[str]
) -> None:
    machine(SMI)
    assert [device.name for device in find_devices(text)] == names


def test_without_gpus_what_is_idle_is_the_processor(machine: Callable[..., None]) -> None:
    machine(None)
    assert [device.name for device in find_devices("idle")] == ["cpu"]


@pytest.mark.parametrize("text", ["cuda:3", "cuda:0,3", "cuda:x", "cuda:-1", "tpu", "cpu:1"])
def test_an_unknown_device_is_refused_with_those_that_are_there(
    machine: Callable[..., None], text: str
) -> None:
    machine(SMI)
    with pytest.raises(UnknownDevice, match="here; there is cuda:0, cuda:1, cuda:2, cpu"):
        find_devices(text)


def test_a_gpu_is_unknown_where_there_is_none(machine: Callable[..., None]) -> None:
    machine(None)
    with pytest.raises(UnknownDevice, match="no device cuda:0 here; there is cpu"):
        find_devices("cuda")


HOLDER = """
import sys
from pathlib import Path
from engine.run import devices
from engine.run.devices import Device, DeviceLock
devices.SHARED = Path(sys.argv[2])
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
    monkeypatch.setattr("engine.run.devices.SHARED", tmp_path)
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
    monkeypatch.setattr("engine.run.devices.SHARED", tmp_path)
    path = tmp_path / "fitui-device-GPU-test.lock"
    path.touch(mode=0o444)
    made = DeviceLock(GPU)
    assert made.path == path
    assert made.acquire()
    made.close()


def test_a_link_in_the_locks_place_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.devices.SHARED", tmp_path)
    (tmp_path / "elsewhere").touch()
    (tmp_path / "fitui-device-GPU-test.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        DeviceLock(GPU)
