"""Say what works on this machine: devices, timers, isolation, watcher; and how to fix what not.

`python -m benchmarks.probe_chain` in a checkout goes further and tries every link of the worker's
chain for real.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

import msgspec

from engine.build.layout import CannotBuild
from engine.build.toolchain import find_toolchain
from engine.measure.calibration import calibration_path, read_calibration
from engine.places import cache_dir, data_dir, state_dir
from engine.run import nvml
from engine.run.devices import Device, UnknownDevice, find_devices, list_devices
from engine.run.occupancy import health
from engine.run.preferences import quarantined
from engine.run.prepare import LEVEL
from engine.run.start_method import must_spawn
from engine.schema import Binding, Language
from engine.store import TraceStore, Watcher, resolve_layers
from fitui.cli.output import Column, print_json, print_table
from fitui.config import Problem, read_config
from fitui.first_use import unwritable

HELP = "say what works here, and how to fix what does not"

OK, NOTE, BAD = "ok", "note", "BAD"
LOW_DISK_BYTES = 2 << 30
_LANDLOCK_CREATE_RULESET, _ASK_VERSION = 444, 1


class Finding(msgspec.Struct, kw_only=True):
    """One line of the report.

    Args:
        level: "ok", "note" (works, with less) or "BAD".
        fix: What to do about it, or "".
    """

    what: str
    level: str
    found: str
    fix: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui doctor``."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print the report; exit status 2 if something is broken."""
    findings = examine(args.dataset, args.overlay)
    if args.json:
        for finding in findings:
            print_json(finding)
    else:
        columns = [Column("what"), Column(""), Column("found", shrinks=True, wraps=True)]
        print_table(columns, [[item.what, item.level, item.found] for item in findings])
        for item in findings:
            if item.fix:
                print(f"\n{item.what}: {item.fix}")
    return 2 if any(item.level == BAD for item in findings) else 0


def examine(dataset: str | None, overlay: str | None) -> list[Finding]:
    """Every finding, in the order in which a newcomer needs them."""
    findings: list[Finding] = [
        Finding(what="python", level=OK, found=platform.python_version()),
        *(_library(name) for name in ("torch", "triton", "numpy", "textual", "msgspec")),
        *_devices(),
        _timer(),
        _compiler("C++ solutions", Language.CPP),
        _compiler("CUDA solutions", Language.CUDA),
        _start_method(),
        Finding(
            what="isolation",
            level=NOTE,
            found=f"level {LEVEL!r}: own session, private folders, no secrets, no descriptors",
            fix="user code can still read what you can read; run it as a user without secrets",
        ),
        _landlock(),
        _namespaces(),
    ]
    for what, folder in (("state", state_dir()), ("cache", cache_dir()), ("data", data_dir())):
        findings.append(_folder(what, folder))
    return [*findings, *_settings(), *_dataset(dataset, overlay)]


def _library(name: str) -> Finding:
    try:
        return Finding(what=name, level=OK, found=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(what=name, level=BAD, found="missing", fix=f"pip install {name}")


def _devices() -> list[Finding]:
    devices = list_devices()
    found = [_device(device) for device in devices]
    found += [_calibration(device) for device in devices if device.name != "cpu"]
    if len(found) > 1 and nvml.load() is None:
        note = "not usable: who else is on a GPU and how it is cannot be known"
        finding = Finding(what="NVML", level=NOTE, found=note, fix="pip install nvidia-ml-py")
        return [*found, finding]
    if len(found) == 1:
        fix = "" if shutil.which("nvidia-smi") else "nvidia-smi is not on the PATH"
        note = "none; solutions run on the CPU device, Triton's in its interpreter"
        found.insert(0, Finding(what="GPU", level=NOTE, found=note, fix=fix))
    return found


def _device(device: Device) -> Finding:
    text = device.hardware + (f", driver {device.driver}" if device.driver else "")
    if unfit := health(device):
        fix = "its administrator has to look at it; other devices can be used meanwhile"
        return Finding(what=device.name, level=BAD, found=f"{text}: {unfit}", fix=fix)
    if kept := quarantined().get(device.key):
        fix = f"once it is well: fitui devices --release {device.name}"
        note = f"{text}: in quarantine, {kept.reason}"
        return Finding(what=device.name, level=NOTE, found=note, fix=fix)
    return Finding(what=device.name, level=OK, found=text)


def _calibration(device: Device) -> Finding:
    """What a GPU was seen to do; it is measured with the first run there."""
    what = f"{device.name} rates"
    known = read_calibration(calibration_path(state_dir(), device.key, device.driver))
    if known is None:
        return Finding(what=what, level=OK, found="measured once, with the first run")
    rates = known.ceilings
    products = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.tflops.items())
    found = (
        f"empty call {known.empty_call_us:.2f} us, events {known.event_floor_us:.2f} us, "
        f"steps of {known.granularity_ns} ns; reads {rates.read_gb_s:.0f} GB/s, copies "
        f"{rates.copy_gb_s:.0f}; {products} TFLOP/s at {known.clock_mhz:.0f} MHz"
    )
    return Finding(what=what, level=OK, found=found)


def _timer() -> Finding:
    if len(list_devices()) == 1:
        return Finding(what="timer", level=OK, found="cpu-clock")
    try:
        version = metadata.version("cupti-python")
    except metadata.PackageNotFoundError:
        return Finding(
            what="timer",
            level=NOTE,
            found="kineto: CUPTI by PyTorch's profiler, slower; events where that sees nothing",
            fix="pip install 'fitui[cuda]' brings cupti-python",
        )
    return Finding(what="timer", level=OK, found=f"cupti ({version})")


def _compiler(what: str, language: Language) -> Finding:
    try:
        tools = find_toolchain(language, Binding.TVM_FFI)
    except CannotBuild as error:
        return Finding(what=what, level=NOTE, found="cannot be built here", fix=str(error))
    program = tools.nvcc or tools.compiler
    return Finding(what=what, level=OK, found=f"{program}, {tools.versions[-1]}")


def _start_method() -> Finding:
    if must_spawn():
        return Finding(
            what="start method",
            level=NOTE,
            found="spawn: a fresh interpreter for every solution (seconds each)",
        )
    return Finding(what="start method", level=OK, found="fork of a warm server")


def _landlock() -> Finding:
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version > 0:
        return Finding(what="landlock", level=OK, found=f"version {version} (not used yet)")
    return Finding(what="landlock", level=NOTE, found="not in this kernel (not used yet)")


def _namespaces() -> Finding:
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        os._exit(0 if libc.unshare(0x10000000) == 0 else 1)
    allowed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    if allowed:
        return Finding(what="namespaces", level=OK, found="user namespaces (not used yet)")
    return Finding(what="namespaces", level=NOTE, found="refused to this user (not used yet)")


def _folder(what: str, folder: Path) -> Finding:
    if why := unwritable(folder):
        variable = f"FITUI_{what.upper()}"
        fix = f"make it writable, or set {variable} to another folder"
        return Finding(what=what, level=BAD, found=f"{folder} cannot be written: {why}", fix=fix)
    place = next(part for part in (folder, *folder.parents) if part.exists())
    free = shutil.disk_usage(place).free
    found = f"{folder} ({free / (1 << 30):.1f} GiB free)"
    if free < LOW_DISK_BYTES:
        return Finding(what=what, level=NOTE, found=found, fix=f"make room on the disk of {place}")
    return Finding(what=what, level=OK, found=found)


def _settings() -> list[Finding]:
    """The settings, and each thing in their file that does not hold."""
    read = read_config()
    if not read.there:
        found = f"none, the defaults hold ({read.file})"
        return [Finding(what="settings", level=OK, found=found)]
    problems = list(read.problems)
    device = read.config.run.device
    try:
        find_devices(device)
    except UnknownDevice as error:
        line = read.lines.get("run.device", 0)
        problem = Problem(file=str(read.file), line=line, field="run.device", message=str(error))
        problems.append(problem)
    if not problems:
        found = f"{read.file}: {len(read.lines)} set"
        return [Finding(what="settings", level=OK, found=found)]
    fix = (
        "mend the file; `fitui config` shows what holds, `fitui config --example` how it is written"
    )
    return [
        Finding(what="settings", level=NOTE, found=str(problem), fix="" if number else fix)
        for number, problem in enumerate(problems)
    ]


def _dataset(dataset: str | None, overlay: str | None) -> list[Finding]:
    try:
        layers = resolve_layers(dataset, overlay=Path(overlay) if overlay else None)
        with TraceStore.open(layers) as store:
            counts = ", ".join(
                f"{store.count(kind)} {kind}"
                for kind in ("definitions", "workloads", "solutions", "traces")
            )
            problems = store.count("problems")
    except OSError as error:
        fix = "give a dataset folder with --dataset, or none for the bundled one"
        return [Finding(what="dataset", level=BAD, found=str(error), fix=fix)]
    findings = [Finding(what="dataset", level=OK, found=f"{layers[0]}: {counts}")]
    if len(layers) > 1:
        found = f"{layers[-1]} takes new traces"
        findings.append(Finding(what="overlay", level=OK, found=found))
    if problems:
        fix = "fitui ls problems names file, line and field"
        findings.append(
            Finding(what="problems", level=NOTE, found=f"{problems} in the dataset", fix=fix)
        )
    findings.append(_watcher(layers))
    return findings


def _watcher(layers: list[Path]) -> Finding:
    watcher = Watcher(layers, lambda: None)
    try:
        mode = watcher.mode
    finally:
        watcher.stop()
    level = OK if mode == "inotify" else NOTE
    return Finding(what="watcher", level=level, found=mode)
