"""Devices: what each does, refreshed while it is shown, and the keys that mark them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.run import occupancy, preferences, proc
from engine.run.devices import Device, list_devices
from engine.run.locks import DeviceLock
from fitui.device_rows import DeviceRow
from fitui.screens import devices
from tests.engine.run.fake_nvml import GIB, FakeGpu, machine
from tests.fitui.ui.conftest import Driver, Start

ALICE = 4242
SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)])


@pytest.fixture(autouse=True)
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeGpu, FakeGpu]]:
    """Two GPUs, looked at often; alice's python works on the second, whose power is capped."""
    preferences.take_notices()
    monkeypatch.setattr(devices, "EVERY_S", 0.05)
    monkeypatch.setattr("engine.run.locks.SHARED", tmp_path)
    monkeypatch.setattr("os.getloadavg", lambda: (1.0, 1.0, 1.0))
    monkeypatch.setattr(occupancy, "_main_memory", lambda: (4 * GIB, 64 * GIB))
    facts = proc.Facts(ALICE, 1, 1001, "python")
    monkeypatch.setattr(occupancy, "read_facts", lambda pid: facts)
    monkeypatch.setattr(occupancy, "lineage", lambda pid: [pid])
    monkeypatch.setattr(occupancy, "exists", lambda pid: True)
    monkeypatch.setattr(occupancy, "user_name", lambda uid: "alice")
    first = FakeGpu("GPU-aaaa", memory=(141 * GIB, 0))
    second = FakeGpu("GPU-bbbb", memory=(141 * GIB, 80 * GIB), utilisation=97, clock=1500)
    second.reasons, second.temperature, second.compute = 0x4, 71, {ALICE: 80 * GIB}
    with machine(first, second):
        yield first, second


def row(driver: Driver, name: str) -> str:
    """The line of a device."""
    return next(text for text in driver.screen().splitlines() if text.startswith(name))


@SIZES
async def test_what_each_device_does(start: Start, size: tuple[int, int]) -> None:
    async with start("devices", size=size) as driver:
        await driver.shows("cuda:1")
        assert row(driver, "cuda:0").split()[1:7] == [
            "0",
            "MiB/141",
            "GiB",
            "0%",
            "1980/1980",
            "31",
        ]
        second = row(driver, "cuda:1")
        assert second.split()[1:7] == ["80", "GiB/141", "GiB", "97%", "1500/1980!", "71"]
        assert "alice: pyt" in second
        assert "load 1.0" in row(driver, "cpu")
        await driver.press("j")
        assert "alice: python (80 GiB)  throttled: power cap" in driver.status
        if size[0] == 200:
            assert "4242         alice: python   80 GiB" in driver.screen()
            assert "capability   9.0" in driver.screen()
        assert all(len(text) <= size[0] for text in driver.screen().splitlines())


async def test_five_goes_there_and_enter_is_harmless(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("5")
        assert driver.view == "devices"
        await driver.shows("cuda:0")
        await driver.press("enter", "s", "y", "y")
        await driver.until(lambda: driver.app.clipboard == "GPU-aaaa")
        assert driver.view == "devices"


async def test_marks_are_set_shown_and_taken_off(start: Start) -> None:
    async with start("devices") as driver:
        await driver.shows("cuda:0")
        await driver.press("a")
        assert preferences.marks() == {"GPU-aaaa": "avoid"}
        assert "cuda:0 is avoided from now on" in driver.status
        await driver.until(lambda: row(driver, "cuda:0").split()[1] == "avoid")
        await driver.press("u")
        await driver.until(lambda: row(driver, "cuda:0").split()[1] == "use")
        await driver.press("u")
        await driver.until(lambda: row(driver, "cuda:0").split()[1] == "0")
        assert preferences.marks() == {}
        await driver.press("G", "a")
        assert "the CPU takes no marks" in driver.status


async def test_a_device_in_quarantine_is_put_back_after_a_question(start: Start) -> None:
    preferences.quarantine("GPU-bbbb", "memory did not\x1b[31m come back", "run-1")
    async with start("devices") as driver:
        await driver.shows("quar.")
        await driver.press("b")
        assert "not in quarantine" in driver.status
        await driver.press("j")
        assert "quarantined just now: memory did not come back (run run-1)" in driver.status
        await driver.press("b", "n")
        assert preferences.quarantined()
        await driver.press("b", "y")
        assert preferences.quarantined() == {}
        await driver.until(lambda: "quar." not in driver.screen())


async def test_who_holds_the_lock(start: Start) -> None:
    lock = DeviceLock(list_devices()[0])
    async with start("devices") as driver:
        await driver.shows("cuda:0")
        assert lock.acquire()
        await driver.until(lambda: f"({os.getpid()})" in driver.status)
        lock.close()
        await driver.until(lambda: "locked by" not in driver.status)


async def test_only_lines_that_changed_are_painted(
    start: Start, gpus: tuple[FakeGpu, FakeGpu], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start("devices") as driver:
        await driver.shows("cuda:1")
        await driver.pilot.pause()
        table, painted = driver.bench.table, list[int]()
        refresh = table.refresh

        def note(*regions: object, **how: bool) -> object:
            painted.extend(getattr(region, "y", -1) for region in regions)
            return refresh(*regions, **how)  # type: ignore[arg-type]

        monkeypatch.setattr(table, "refresh", note)
        gpus[1].utilisation = 55
        await driver.shows("55%")
        assert set(painted) == {2}, "the header, the first GPU and the CPU stay as they are"


async def test_nobody_looks_once_the_page_is_left(
    start: Start, gpus: tuple[FakeGpu, FakeGpu], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, examine = list[str](), devices.examine

    def counted(device: Device) -> DeviceRow:
        looks.append(device.name)
        return examine(device)

    monkeypatch.setattr(devices, "examine", counted)
    async with start("devices") as driver:
        await driver.until(lambda: len(looks) > 6)
        await driver.press("1")
        names = {thread.name for thread in threading.enumerate()}
        await driver.until(
            lambda: not {"fitui-lookup"} & {thread.name for thread in threading.enumerate()}
        )
        assert "fitui-session" in names
        before = len(looks)
        await driver.press("2", "1")
        assert len(looks) == before


async def test_keys_answer_while_the_driver_does_not(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, examine = threading.Event(), devices.examine

    def stuck(device: Device) -> DeviceRow:
        gate.wait(20)
        return examine(device)

    monkeypatch.setattr(devices, "examine", stuck)
    async with start("devices") as driver:
        try:
            assert "Asking the driver" in driver.screen()
            await driver.press("1", "5", "2")
            assert driver.view == "traces"
            await driver.press("5")
        finally:
            gate.set()
        await driver.shows("cuda:1")
