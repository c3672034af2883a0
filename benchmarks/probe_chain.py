"""Finds out what of the worker's chain works on this machine, and whether to fork or to spawn.

Every link is tried for real, in a process of its own: fork of a warm server, a fresh
interpreter, namespaces, Landlock, CUPTI, a blocked stream, sealed memory, killing an endless
kernel. Run it once on a new machine:

    python -m benchmarks.probe_chain [--device cuda:0] [--remember] [--json]

With --remember the chosen start method is kept for this machine's runs.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.evaluate.registry import plan_for
from engine.run import protocol
from engine.run.devices import Device, default_device, find_devices
from engine.run.process import Child, ChildTimedOut, Server
from engine.run.reference import Reference
from engine.run.start_method import remember
from engine.schema import QUICK, AxisVar, Definition, DType, RandomInput, TensorSpec, Workload

DEFINITION = Definition(
    name="probe_double",
    op_type="probe",
    axes={"n": AxisVar()},
    inputs={"x": TensorSpec(shape=["n"], dtype=DType.FLOAT32)},
    outputs={"y": TensorSpec(shape=["n"], dtype=DType.FLOAT32)},
    reference="def run(x):\n    return x * 2\n",
)
WORKLOAD = Workload(uuid="probe", axes={"n": 1 << 16}, inputs={"x": RandomInput()})

DOUBLE = """\
import triton
import triton.language as tl

@triton.jit
def double(X, Y, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(Y + at, tl.load(X + at, mask=at < n) * 2, mask=at < n)

def run(x, y):
    double[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), 1024)
"""
ENDLESS = """\
import torch
import triton
import triton.language as tl

@triton.jit
def spin(Flag, Y):
    value = tl.load(Flag, volatile=True)
    while value == 0:
        value = tl.load(Flag, volatile=True)
    tl.store(Y, value)

def run(x, y):
    if x.device.type == "cpu":
        while True:
            pass
    spin[(1,)](torch.zeros(1, device=x.device), y)
    torch.cuda.synchronize()
"""

Finding = dict[str, Any]


def attempt(probe: Callable[[], Finding]) -> Finding:
    """Run a probe; a failure is a finding too."""
    begun = time.perf_counter()
    try:
        found = {"ok": True, **probe()}
    except BaseException as error:
        last = traceback.format_exc().strip().splitlines()[-1]
        found = {"ok": False, "why": last or type(error).__name__}
    return {**found, "seconds": round(time.perf_counter() - begun, 3)}


def load(child: Child, folder: Path, source: str) -> None:
    """Have a child import a solution of one file."""
    place = folder / "fitui_solution"
    place.mkdir(parents=True, exist_ok=True)
    (place / "main.py").write_text(source)
    order = protocol.Load(
        folder=str(place),
        language="triton",
        entry_file="main.py",
        entry_function="run",
        destination_passing=True,
        inputs=["x"],
        outputs=["y"],
    )
    _expect(child.ask(order, limit=120, phase="loading")[0], protocol.Done)


def _expect(answer: Any, kind: type) -> Any:
    if not isinstance(answer, kind):
        raise RuntimeError(f"{answer}")
    return answer


class Chain:
    """The worker's chain on one device, by one start method."""

    def __init__(self, device: Device, scratch: Path, *, spawn: bool) -> None:
        self.scratch = scratch / ("spawn" if spawn else "fork")
        self.scratch.mkdir()
        self.server = Server(device, self.scratch, spawn=spawn)
        self.plan = plan_for(DEFINITION, WORKLOAD, QUICK)

    def whole(self) -> Finding:
        """Start children, check a kernel against the reference, and time it."""
        starts = [self._start_seconds() for _ in range(3)]
        reference = Reference(
            self.server, self.scratch / "r", DEFINITION, QUICK, Path, lambda: False
        )
        child = self.server.child(self.scratch / "s")
        try:
            prepared = reference.prepare(WORKLOAD, self.plan)
            load(child, self.scratch / "s" / "src", DOUBLE)
            item = prepared.sets[0]
            self._open(child, item)
            answer, descriptors = child.ask(
                protocol.Call(key=item.key), limit=120, phase="the first call"
            )
            outputs = _expect(answer, protocol.Outputs)
            checks = reference.compare(item.key, self.plan, outputs, descriptors[0], 1)
            if not all(check.ok for check in checks):
                raise RuntimeError(f"wrong values: {checks}")
            block = protocol.Block(keys=[item.key], n=60, warmup=2)
            ticks = _expect(child.ask(block, limit=120, phase="timing")[0], protocol.Ticks)
            return {
                "child ready s": round(statistics.median(starts), 3),
                "timer": ticks.timer,
                "median us": round(statistics.median(ticks.device_ns) / 1e3, 3),
                "flags": ticks.flags,
            }
        finally:
            child.kill()
            reference.close()

    def _start_seconds(self) -> float:
        begun = time.perf_counter()
        self.server.child(self.scratch / "s").kill()
        return time.perf_counter() - begun

    def _open(self, child: Child, item: Any) -> None:
        order = protocol.Open(
            key=item.key,
            order=["x"],
            tensors=item.tensors,
            scalars={},
            outputs=[protocol.TensorMeta(name="y", dtype="float32", shape=[WORKLOAD.axes["n"]])],
        )
        answer, _ = child.ask(order, limit=60, phase="inputs", descriptors=(item.descriptor,))
        _expect(answer, protocol.Done)

    def endless(self) -> Finding:
        """Kill a child inside a kernel that never ends, then use the device again."""
        reference = Reference(
            self.server, self.scratch / "r2", DEFINITION, QUICK, Path, lambda: False
        )
        child = self.server.child(self.scratch / "e")
        try:
            item = reference.prepare(WORKLOAD, self.plan).sets[0]
            load(child, self.scratch / "e" / "src", ENDLESS)
            self._open(child, item)
            begun = time.perf_counter()
            try:
                child.ask(protocol.Call(key=item.key), limit=5, phase="the endless call")
                raise RuntimeError("the endless kernel ended")
            except ChildTimedOut:
                gone = time.perf_counter() - begun - 5
        finally:
            child.kill()
            reference.close()
        return {"gone after s": round(gone, 3), "next child": self.whole()["median us"]}


# --- what the kernel allows ----------------------------------------------------------------------

LIBC = ctypes.CDLL(None, use_errno=True)
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_MS_REC_PRIVATE = (1 << 14) | (1 << 18)


def demand(code: int, what: str) -> int:
    """Raise what errno says where a call failed."""
    if code < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return code


def landlock_abi() -> int:
    """Version of Landlock, or an error where there is none."""
    return demand(LIBC.syscall(_LANDLOCK_CREATE, None, 0, 1), "landlock")


def restrict_writes(allowed: list[str]) -> None:
    """From here on this process may read everything and write below ``allowed`` only."""
    everything, reading = (1 << 13) - 1, (1 << 0) | (1 << 2) | (1 << 3)
    rules = struct.pack("Q", everything)
    ruleset = demand(LIBC.syscall(_LANDLOCK_CREATE, rules, len(rules), 0), "landlock ruleset")
    for path, access in [("/", reading), *((item, everything) for item in allowed)]:
        if not Path(path).exists():
            continue
        beneath = struct.pack("=Qi", access, os.open(path, os.O_PATH | os.O_CLOEXEC))
        demand(LIBC.syscall(_LANDLOCK_ADD, ruleset, 1, beneath, 0), f"landlock rule {path}")
    demand(LIBC.prctl(38, 1, 0, 0, 0), "no_new_privs")
    demand(LIBC.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock")


CLONE_NEWNS, CLONE_NEWIPC = 0x00020000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000


def enter_namespaces() -> None:
    """User, network, IPC, pid and mount namespaces of our own; the caller forks next."""
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNS
    demand(LIBC.unshare(flags), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def own_proc() -> None:
    """A /proc of this pid namespace; CUDA needs it."""
    demand(LIBC.mount(b"none", b"/", None, _MS_REC_PRIVATE, None), "private mounts")
    demand(LIBC.mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")


def in_fork(work: Callable[[], Finding], *, namespaces: bool = False) -> Finding:
    """Do work in a forked process, in namespaces if asked, and return what it found."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        report: Finding
        try:
            if namespaces:
                enter_namespaces()
            inner = os.fork()
            if inner == 0:
                try:
                    if namespaces:
                        own_proc()
                    report = work()
                except BaseException as error:
                    report = {"error": f"{type(error).__name__}: {error}"}
                os.write(writing, json.dumps(report).encode())
                os._exit(0)
            os.waitpid(inner, 0)
        except BaseException as error:
            os.write(writing, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        data = stream.read()
    os.wait()
    found: Finding = json.loads(data) if data else {"error": "the process died"}
    if "error" in found:
        raise RuntimeError(found["error"])
    return found


def use_device(device: str) -> Finding:
    """Make a tensor on the device, as a worker does first."""
    import torch

    begun = time.perf_counter()
    total = float(torch.ones(1024, device=device.partition(":")[0]).sum())
    if total != 1024:
        raise RuntimeError(f"the device added up to {total}")
    return {"first tensor s": round(time.perf_counter() - begun, 3)}


def jailed(device: str, scratch: Path) -> Finding:
    """The device under Landlock, and what is refused there."""
    found = use_device(device)
    restrict_writes(["/dev", str(scratch)])
    found |= use_device(device)
    try:
        Path.home().joinpath(".fitui-probe").write_text("")
        raise RuntimeError("the home folder could be written")
    except PermissionError:
        return {**found, "home": "refused"}


def probe(device: Device) -> dict[str, Finding]:
    """Every finding, by name."""
    findings: dict[str, Finding] = {}
    with tempfile.TemporaryDirectory(prefix="probe-") as name:
        scratch = Path(name)
        findings["landlock"] = attempt(lambda: {"abi": landlock_abi()})
        findings["device"] = attempt(lambda: in_fork(lambda: use_device(device.name)))
        findings["namespaces"] = attempt(
            lambda: in_fork(lambda: use_device(device.name), namespaces=True)
        )
        findings["landlock with device"] = attempt(
            lambda: in_fork(lambda: jailed(device.name, scratch))
        )
        findings["namespaces and landlock"] = attempt(
            lambda: in_fork(lambda: jailed(device.name, scratch), namespaces=True)
        )
        for method in ("fork", "spawn"):
            chain = Chain(device, scratch, spawn=method == "spawn")
            ready = chain.server.ready
            findings[f"{method} server"] = {
                "ok": ready.clean,
                "why": ready.reason,
                "seconds": round(ready.seconds, 3),
            }
            findings[method] = attempt(chain.whole)
            if method == "fork":
                findings["endless kernel"] = attempt(chain.endless)
            chain.server.close()
    return findings


def main() -> int:
    """Probe, print, and choose."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default=default_device())
    parser.add_argument("--remember", action="store_true", help="keep the chosen start method")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    device = find_devices(args.device)[0]
    findings = probe(device)
    method = "fork" if findings["fork server"]["ok"] and findings["fork"]["ok"] else "spawn"
    if args.json:
        print(json.dumps({"device": device.hardware, "method": method, **findings}, indent=2))
    else:
        print(f"{device.name}: {device.hardware}")
        for what, found in findings.items():
            rest = ", ".join(f"{key} {value}" for key, value in found.items() if key != "ok")
            print(f"{'ok  ' if found['ok'] else 'FAIL'} {what:<24} {rest}")
        print(f"start method: {method}")
    if args.remember:
        print(f"kept in {remember(method)}", file=sys.stderr)
    return 0 if findings[method]["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
