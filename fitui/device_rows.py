"""Devices as they are now, and how that reads: for the command line and the screen alike."""

from __future__ import annotations

import os

from msgspec import Struct

from engine.run import nvml, occupancy, preferences
from engine.run.devices import Device
from engine.run.locks import Holder, find_holder
from fitui import clock
from fitui import format as form


class DeviceRow(Struct, kw_only=True):
    """One device, as it is now.

    Args:
        load: Load averages of the processor over 1, 5 and 15 minutes; none for a GPU.
        unfit: Why it is not fit to be measured on, or "".
        lock: Who works on it by fitui's lock.
        others: Who else is there, and whether that is known.
        mark: "use", "avoid" or "".
    """

    device: str
    hardware: str
    key: str
    driver: str
    capability: str
    state: nvml.State
    load: tuple[float, ...]
    unfit: str
    lock: Holder | None
    others: occupancy.Occupancy
    mark: str
    quarantine: preferences.Quarantine | None

    @property
    def is_gpu(self) -> bool:
        """False for the processor, which takes no marks."""
        return self.device != "cpu"


def examine(device: Device) -> DeviceRow:
    """Everything that can be known of a device now. May take a moment: it asks the driver."""
    is_gpu = device.name != "cpu"
    return DeviceRow(
        device=device.name,
        hardware=device.hardware,
        key=device.key,
        driver=device.driver,
        capability=device.capability,
        state=nvml.read_state(device.key) if is_gpu else nvml.State(),
        load=() if is_gpu else os.getloadavg(),
        unfit=occupancy.health(device),
        lock=find_holder(device),
        others=occupancy.look(device, ()),
        mark=preferences.marks().get(device.key, ""),
        quarantine=preferences.quarantined().get(device.key),
    )


def memory_words(row: DeviceRow) -> str:
    """``80 GiB/141 GiB``, or "" where it is not known."""
    used, every = row.others.memory_used, row.others.memory_total
    if used is None or every is None:
        return ""
    return f"{occupancy.size_in_words(used)}/{occupancy.size_in_words(every)}"


def busy_words(row: DeviceRow) -> str:
    """``97%`` of a GPU, ``load 2.5`` of a processor."""
    if row.others.utilisation is not None:
        return f"{row.others.utilisation}%"
    return f"load {row.load[0]:.1f}" if row.load else ""


def clock_words(row: DeviceRow) -> str:
    """``1500/1980``: the clock now, and the highest."""
    clocks = (row.state.clock_mhz, row.state.clock_max_mhz)
    return "/".join(str(clock) for clock in clocks if clock is not None)


def lock_words(row: DeviceRow) -> str:
    """``alice (4242)``: who holds the lock."""
    if row.lock is None:
        return ""
    return f"{row.lock.user or '?'} ({row.lock.pid})" if row.lock.pid else "somebody"


def trouble_words(row: DeviceRow) -> str:
    """Why it is not to be used: quarantine, or what the driver says."""
    kept = quarantine_words(row.quarantine) if row.quarantine else ""
    return "; ".join(filter(None, (kept, row.unfit)))


def quarantine_words(kept: preferences.Quarantine) -> str:
    """``quarantined 2h ago: memory did not come back (run ID)``."""
    age = form.age(kept.time, clock.now())
    since = "just now" if age in ("", "now") else f"{age} ago"
    run = f" (run {kept.run})" if kept.run else ""
    return f"quarantined {since}: {kept.reason}{run}"
