"""Devices that evaluations can run on: their names, and which of them a user's text means."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct

from engine.run import nvml, preferences
from engine.run.nvml import Gpu

_QUERY = "index,name,uuid,driver_version,compute_cap"


class Device(Struct, frozen=True, kw_only=True):
    """One device.

    Args:
        name: "cpu" or "cuda:N".
        hardware: What traces call it.
        key: What its lock is named by: the UUID of the GPU or of its part (MIG), or "cpu".
        driver: Version of the driver, or "".
        capability: Compute capability without the dot ("90"), or "".
    """

    name: str
    hardware: str
    key: str
    driver: str = ""
    capability: str = ""


class UnknownDevice(LookupError):
    """There is no such device on this machine, or none that may be used."""


@cache
def _gpus() -> tuple[Device, ...]:
    found = nvml.list_gpus()
    if found is None:
        found = _ask_tool()
    visible = _visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return tuple(
        Device(
            name=f"cuda:{number}",
            hardware=gpu.name,
            key=gpu.uuid,
            driver=gpu.driver,
            capability=gpu.capability,
        )
        for number, gpu in enumerate(visible)
    )


def _ask_tool() -> list[Gpu]:
    """GPUs that ``nvidia-smi`` lists, for where NVML cannot be asked directly."""
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[part.strip() for part in line.split(",")] for line in found.stdout.splitlines()]
    return [
        Gpu(
            index=int(index),
            name=name,
            uuid=uuid,
            driver=driver,
            capability="".join(rest).replace(".", ""),
        )
        for index, name, uuid, driver, *rest in (row for row in rows if len(row) >= 4)
    ]


def _visible(gpus: Sequence[Gpu], choice: str | None) -> list[Gpu]:
    """GPUs that CUDA_VISIBLE_DEVICES leaves, in its order: it renumbers the devices.

    As for CUDA, the first part that means no GPU ends the list, and one named twice empties it.
    """
    if choice is None:
        return list(gpus)
    found: list[Gpu] = []
    for part in map(str.strip, choice.split(",")):
        gpu = _chosen(gpus, part)
        if gpu is None:
            break
        if gpu in found:
            return []
        found.append(gpu)
    return found


def _chosen(gpus: Sequence[Gpu], part: str) -> Gpu | None:
    if part.startswith("MIG-"):
        if nvml.load() is not None:
            return nvml.find_gpu(part)
        # nvidia-smi does not list parts: CUDA will say whether there is this one.
        first = gpus[0] if gpus else None
        return first and Gpu(
            index=-1,
            name=f"{first.name} MIG",
            uuid=part,
            driver=first.driver,
            capability=first.capability,
        )
    if part.startswith("GPU-"):
        fitting = [gpu for gpu in gpus if gpu.uuid.startswith(part)]
    else:
        fitting = [gpu for gpu in gpus if str(gpu.index) == part]
    return fitting[0] if len(fitting) == 1 else None


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "CPU"
    for line in text.splitlines():
        if line.startswith("model name"):
            return f"CPU {line.partition(':')[2].strip()}"
    return "CPU"


@cache
def list_devices() -> tuple[Device, ...]:
    """Every device here, GPUs first; the CPU is always last."""
    return (*_gpus(), Device(name="cpu", hardware=_processor(), key="cpu"))


def default_device() -> str:
    """Name of the device that is used when none is asked for."""
    try:
        return find_idle()[0].name
    except UnknownDevice:
        return list_devices()[0].name


def find_devices(text: str) -> list[Device]:
    """Devices that a user's text means.

    Args:
        text: What :func:`find_named` takes; or "idle", "auto" or nothing for every device of
            which one that is free may be taken, as :func:`find_idle` lists them.

    Raises:
        UnknownDevice: One of them is not here, or is in quarantine.
    """
    if text in ("", "idle", "auto"):
        return find_idle()
    found = find_named(text)
    kept = preferences.quarantined()
    fit = [device for device in found if device.key not in kept]
    if fit and text == "cuda:all":
        return fit
    for device in found:
        if device.key in kept:
            raise UnknownDevice(
                f"{device.name} is in quarantine: {kept[device.key].reason}; "
                f"`fitui devices --release {device.name}` puts it back"
            )
    return found


def find_named(text: str) -> list[Device]:
    """Devices that are named, whatever is known against them.

    Args:
        text: "cpu", "cuda" (the first GPU), "cuda:0,1", "cuda:all", or a UUID or its beginning.

    Raises:
        UnknownDevice: One of them is not here.
    """
    known = {device.name: device for device in list_devices()}
    if text.startswith(("GPU-", "MIG-")):
        fitting = [device for device in known.values() if device.key.startswith(text)]
        if len(fitting) == 1:
            return fitting
        fault = "more than one device" if fitting else "no device"
        raise UnknownDevice(f"{fault} {text} here; there is {', '.join(known)}")
    if text == "cuda:all" and _gpus():
        return list(_gpus())
    kind, _, numbers = text.partition(":")
    names = [text] if kind == "cpu" else [f"{kind}:{part}" for part in (numbers or "0").split(",")]
    for name in names:
        if name not in known:
            raise UnknownDevice(f"no device {name} here; there is {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def find_idle() -> list[Device]:
    """GPUs of which a free one may be taken; the CPU where the machine has no GPU.

    Those that are avoided or in quarantine are left out; where some are marked for use, so are
    all others.

    Raises:
        UnknownDevice: The machine has GPUs, and none may be taken.
    """
    gpus = _gpus()
    if not gpus:
        return list(list_devices())
    marks, kept = preferences.marks(), preferences.quarantined()
    chosen = [gpu for gpu in gpus if marks.get(gpu.key) == "use"] or [
        gpu for gpu in gpus if marks.get(gpu.key) != "avoid"
    ]
    fit = [gpu for gpu in chosen if gpu.key not in kept]
    if fit:
        return fit
    reasons = []
    for gpu in gpus:
        if gpu.key in kept:
            way = f"`fitui devices --release {gpu.name}`"
            reasons.append(f"{gpu.name} is in quarantine ({kept[gpu.key].reason}): {way}")
        else:
            why = "avoided" if gpu.key in marks else "not among those marked for use"
            reasons.append(f"{gpu.name} is {why}: `fitui devices --use {gpu.name}`")
    raise UnknownDevice(f"no GPU may be taken; {'; '.join(reasons)}")
