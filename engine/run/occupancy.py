"""Who else is on a GPU, what they hold there, and whether it is fit to be measured on."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from msgspec import Struct

from engine.run import nvml
from engine.run.devices import Device
from engine.run.proc import exists, lineage, read_arguments, read_facts, user_name

UNKNOWN = "contention unknown"

_RUNNERS = frozenset({"engine.run.forkserver", "engine.run.worker"})
"""Modules whose processes work only while their runner holds the device's lock."""
_FIRST_USER = 1000
_NEXT_TO_NOTHING = 16 << 20
"""Less than any CUDA context takes: a display server without a display, a monitor."""
_UNEXPLAINED = 1 << 30
"""More memory in use than a driver needs for itself: somebody whom we cannot see has it."""


class Occupant(Struct, frozen=True):
    """A process of somebody else on a GPU.

    Args:
        pid: Its id.
        user: Whose it is, or "?" where that is hidden.
        command: Name of its program, or "?".
        memory: Bytes that it holds on the GPU, or None.
    """

    pid: int
    user: str
    command: str
    memory: int | None


class Occupancy(Struct, frozen=True, kw_only=True):
    """What goes on on a device.

    Args:
        foreign: Processes that could disturb a measurement; none where they are not known.
        known: False where processes are hidden from us, as in most containers.
        memory_used: Bytes in use by anybody.
        utilisation: Percent of the last moments in which a kernel ran.
    """

    foreign: tuple[Occupant, ...] = ()
    known: bool = True
    memory_used: int | None = None
    memory_total: int | None = None
    utilisation: int | None = None


def look(device: Device, ours: Collection[int], expect: int | None = None) -> Occupancy:
    """See who is on a device.

    Args:
        device: Where. On the CPU device nobody is foreign.
        ours: Processes that are ours, with everything that they started.
        expect: A process that is known to hold a context there: if it is not among those that
            NVML lists, then the others are hidden as well.
    """
    if device.name == "cpu":
        used, total = _main_memory()
        return Occupancy(memory_used=used, memory_total=total)
    memory = nvml.read_memory(device.key)
    if expect is not None and exists(expect):
        listed = _ask(device.key)
        known = listed is not None and expect in listed
    else:
        listed = _listed(device.key, ours)
        hidden = not listed and memory is not None and memory.used > _UNEXPLAINED
        known = listed is not None and not hidden
    found = (listed or {}) if known else {}
    foreign = [_occupant(pid, held, ours) for pid, held in sorted(found.items())]
    return Occupancy(
        foreign=tuple(one for one in foreign if one is not None),
        known=known,
        memory_used=None if memory is None else memory.used,
        memory_total=None if memory is None else memory.total,
        utilisation=nvml.read_utilisation(device.key),
    )


def words(occupancy: Occupancy) -> str:
    """Who is there: "alice: python (12.3 GiB), bob: vllm (80 GiB)"; "" where nobody is."""
    if not occupancy.known:
        return UNKNOWN
    return ", ".join(_named(one) for one in occupancy.foreign)


def size_in_words(count: int) -> str:
    """Bytes as a person reads them: "80 GiB"."""
    value, unit = count / (1 << 20), "MiB"
    for larger in ("GiB", "TiB"):
        # 1000 MiB would need four digits.
        if value < 999.5:
            break
        value, unit = value / 1024, larger
    return f"{value:.3g} {unit}"


def health(device: Device) -> str:
    """Why a device is not fit to be measured on, or "". Cheap enough to ask before each use."""
    if device.name == "cpu":
        return ""
    if gone := nvml.fault(device.key):
        return f"the driver says: {gone}"
    if errors := nvml.read_ecc_errors(device.key):
        noun = "error" if errors == 1 else "errors"
        return f"{errors} uncorrectable memory {noun} since the driver was loaded"
    return ""


def memory_of(device: Device, pids: Collection[int]) -> int | None:
    """Bytes that processes still hold on a GPU, also those that have been killed.

    Returns:
        None where it cannot be known. An empty list of NVML's looks like a free GPU in a
        container that hides processes: there :func:`look` with ``expect`` says so beforehand.
    """
    listed = _listed(device.key, pids) if device.name != "cpu" else None
    if listed is None:
        return None
    held = [listed[pid] for pid in pids if pid in listed]
    known = [memory for memory in held if memory is not None]
    return sum(known) if len(known) == len(held) else None


def wait_free(device: Device, pids: Collection[int], limit_s: float) -> bool | None:
    """Wait until processes that were killed hold nothing on a GPU any more.

    Returns:
        False where they still do after ``limit_s`` seconds, None where it cannot be known.
    """
    deadline = time.monotonic() + limit_s
    while held := memory_of(device, pids):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return None if held is None else True


def _listed(key: str, ours: Collection[int]) -> dict[int, int | None] | None:
    """Processes on a GPU with their memory; None where some are nobody's here.

    The driver counts processes as the host does: ids that do not exist here are those of another
    pid namespace, and then all of them are.
    """
    listed = _ask(key)
    if listed is None or _all_here(listed, ours):
        return listed
    # One may have ended between the two looks.
    listed = _ask(key)
    return listed if listed is not None and _all_here(listed, ours) else None


def _ask(key: str) -> dict[int, int | None] | None:
    compute = nvml.compute_processes(key)
    if compute is None:
        return None
    found: dict[int, int | None] = {}
    for process in [*compute, *(nvml.graphics_processes(key) or [])]:
        known = found.get(process.pid)
        # One that computes and draws is in both lists, with the same memory.
        found[process.pid] = process.memory if known is None else max(known, process.memory or 0)
    return found


def _all_here(listed: Collection[int], ours: Collection[int]) -> bool:
    return all(pid in ours or exists(pid) for pid in listed)


def _occupant(pid: int, memory: int | None, ours: Collection[int]) -> Occupant | None:
    """A process as somebody else's; None where it is ours, waits, idles or has ended."""
    for one in lineage(pid):
        if one in ours or not _RUNNERS.isdisjoint(read_arguments(one)):
            return None
    facts = read_facts(pid)
    if facts is None:
        return Occupant(pid, "?", "?", memory) if exists(pid) else None
    if facts.uid < _FIRST_USER and memory is not None and memory < _NEXT_TO_NOTHING:
        return None
    return Occupant(pid, user_name(facts.uid), facts.command or "?", memory)


def _named(one: Occupant) -> str:
    size = "" if one.memory is None else f" ({size_in_words(one.memory)})"
    return f"{one.user}: {one.command}{size}"


def _main_memory() -> tuple[int | None, int | None]:
    """Bytes of main memory in use, and all of them."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None, None
    sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    total, free = sizes.get("MemTotal"), sizes.get("MemAvailable")
    return (None if total is None or free is None else total - free), total
