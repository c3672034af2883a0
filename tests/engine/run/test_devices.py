"""Devices by name, and which of them a user's text means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.run import devices, nvml, preferences
from engine.run.devices import (
    Device,
    UnknownDevice,
    default_device,
    find_devices,
    find_named,
    list_devices,
)
from tests.engine.run.fake_nvml import FakeGpu, forget_devices
from tests.engine.run.fake_nvml import machine as fake_machine

SMI = """\
0, NVIDIA H200, GPU-aaaa, 570.1
1, NVIDIA H200, GPU-bbbb, 570.1
2, NVIDIA L4, GPU-cccc, 570.1
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes this a machine whose ``nvidia-smi`` prints a text, or has none; without NVML."""

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
        monkeypatch.setattr(nvml, "load", lambda: None)
        forget_devices()

    yield make
    monkeypatch.undo()
    forget_devices()


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
        ("GPU-c,GPU-b", ["GPU-cccc", "GPU-bbbb"]),
        ("GPU-", []),
        ("1, 2", ["GPU-bbbb", "GPU-cccc"]),
        ("1,7,2", ["GPU-bbbb"]),
        ("1,1", []),
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
        ("cuda:all", ["cuda:0", "cuda:1", "cuda:2"]),
        ("GPU-bb", ["cuda:1"]),
        ("idle", ["cuda:0", "cuda:1", "cuda:2"]),
        ("auto", ["cuda:0", "cuda:1", "cuda:2"]),
        ("", ["cuda:0", "cuda:1", "cuda:2"]),
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


@pytest.mark.parametrize(
    "text", ["cuda:3", "cuda:0,3", "cuda:x", "cuda:-1", "tpu", "cpu:1", "GPU-d"]
)
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
    with pytest.raises(UnknownDevice, match="no device cuda:all here; there is cpu"):
        find_devices("cuda:all")


def test_the_beginning_of_several_uuids_is_refused(machine: Callable[..., None]) -> None:
    machine(SMI)
    with pytest.raises(UnknownDevice, match="more than one device GPU- here"):
        find_devices("GPU-")


def test_a_tool_that_prints_something_else_lists_nothing(machine: Callable[..., None]) -> None:
    machine("No devices were found\n")
    assert [device.name for device in list_devices()] == ["cpu"]


@pytest.fixture
def three() -> Iterator[None]:
    with fake_machine(
        FakeGpu("GPU-aaaa"),
        FakeGpu("GPU-bbbb", name="NVIDIA L4", capability=(8, 9)),
        FakeGpu("GPU-cccc", capability=None),
    ):
        yield


def names(text: str) -> list[str]:
    return [device.name for device in find_devices(text)]


def test_nvml_lists_gpus_as_the_tool_does(three: None) -> None:
    assert list_devices()[1] == Device(
        name="cuda:1", hardware="NVIDIA L4", key="GPU-bbbb", driver="570.1", capability="89"
    )
    assert list_devices()[2].capability == ""


def test_a_gpu_that_is_lost_is_not_listed() -> None:
    with fake_machine(FakeGpu("GPU-aaaa", lost=True), FakeGpu("GPU-bbbb")):
        assert [device.key for device in list_devices()] == ["GPU-bbbb", "cpu"]


def test_a_part_of_a_gpu_is_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FakeGpu("GPU-aaaa", mig=1)
    part = FakeGpu("MIG-1111", name="NVIDIA H200 MIG 1g.18gb", capability=None, parent=whole)
    with fake_machine(whole, part):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1111,MIG-2222")
        (device,) = list_devices()[:-1]
        assert (device.key, device.hardware) == ("MIG-1111", "NVIDIA H200 MIG 1g.18gb")
        assert (device.capability, device.driver) == ("90", "570.1")


def test_a_part_of_a_gpu_is_passed_on_where_nvml_cannot_be_asked(
    machine: Callable[..., None],
) -> None:
    machine(SMI, visible="MIG-1111")
    (device,) = list_devices()[:-1]
    assert device == Device(
        name="cuda:0", hardware="NVIDIA H200 MIG", key="MIG-1111", driver="570.1"
    )


def test_what_is_avoided_is_not_taken_unless_it_is_named(three: None) -> None:
    preferences.mark("GPU-aaaa", "avoid")
    assert names("idle") == ["cuda:1", "cuda:2"]
    assert names("cuda:0") == ["cuda:0"]
    assert names("cuda:all") == ["cuda:0", "cuda:1", "cuda:2"]
    assert default_device() == "cuda:1"


def test_where_some_are_marked_for_use_only_they_are_taken(three: None) -> None:
    preferences.mark("GPU-cccc", "use")
    preferences.mark("GPU-of-another-machine", "use")
    assert names("idle") == ["cuda:2"]
    preferences.forget("GPU-cccc")
    assert names("idle") == ["cuda:0", "cuda:1", "cuda:2"]


def test_what_is_in_quarantine_is_not_taken_and_says_so_where_it_is_named(three: None) -> None:
    preferences.quarantine("GPU-aaaa", "memory did not come back", "run-1")
    assert names("idle") == names("cuda:all") == ["cuda:1", "cuda:2"]
    for text in ("cuda", "cuda:1,0", "GPU-aa"):
        with pytest.raises(UnknownDevice, match="cuda:0 is in quarantine: memory did not come"):
            find_devices(text)
    assert [device.name for device in find_named("cuda:0")] == ["cuda:0"]
    preferences.release("GPU-aaaa")
    assert names("cuda") == ["cuda:0"]


def test_where_no_gpu_may_be_taken_the_way_back_is_told(three: None) -> None:
    preferences.quarantine("GPU-aaaa", "it is stuck", "")
    preferences.mark("GPU-bbbb", "avoid")
    preferences.mark("GPU-cccc", "avoid")
    with pytest.raises(UnknownDevice) as refused:
        find_devices("idle")
    assert str(refused.value) == (
        "no GPU may be taken; "
        "cuda:0 is in quarantine (it is stuck): `fitui devices --release cuda:0`; "
        "cuda:1 is avoided: `fitui devices --use cuda:1`; "
        "cuda:2 is avoided: `fitui devices --use cuda:2`"
    )
    assert default_device() == "cuda:0"


def test_one_that_is_marked_for_use_and_in_quarantine_keeps_the_others_out(three: None) -> None:
    preferences.mark("GPU-aaaa", "use")
    preferences.quarantine("GPU-aaaa", "it is stuck", "")
    with pytest.raises(UnknownDevice, match="cuda:1 is not among those marked for use"):
        find_devices("idle")


def test_where_every_gpu_is_in_quarantine_all_of_them_are_none(three: None) -> None:
    for key in ("GPU-aaaa", "GPU-bbbb", "GPU-cccc"):
        preferences.quarantine(key, "it is stuck", "")
    with pytest.raises(UnknownDevice, match="--release cuda:0"):
        find_devices("cuda:all")
