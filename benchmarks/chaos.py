"""Kills parts of the engine at random while runs go on, and counts what is left.

python -m benchmarks.chaos --kills 200 --seed 0

Victims are runner, keeper, fork servers, guardians, workers (of solutions and of the reference)
and compilers. Afterwards every requested evaluation must have ended in exactly one trace, with no
process, lock or scratch folder left, and every line of every file whole. Runs on the CPU device.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.throughput import TINY
from engine.run import reap
from engine.run.client import RunHandle, resume, submit
from engine.run.devices import find_devices
from engine.run.locks import find_holder
from engine.schema import QUICK

CPP = """\
#include <tvm/ffi/tvm_ffi.h>

// variant NUMBER
static void run(tvm::ffi::TensorView x, tvm::ffi::TensorView y) {
  const float* from = static_cast<const float*>(x.data_ptr());
  float* to = static_cast<float*>(y.data_ptr());
  for (int64_t i = 0; i < x.size(0); ++i) to[i] = 2.0f * from[i];
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, run);
"""
_MOST_SHOWN = 40
SOURCES = {
    "quick": "def run(x, y):\n    y.copy_(x * 2)\n# variant NUMBER\n",
    "slow": (
        "import time\ndef run(x, y):\n    time.sleep(0.01)\n    y.copy_(x * 2)\n# variant NUMBER\n"
    ),
    "wrong": "def run(x, y):\n    y.zero_()\n# variant NUMBER\n",
    "raises": "def run(x, y):\n    raise ValueError('no')\n# variant NUMBER\n",
    "starts": (
        "import subprocess, sys\n"
        "def run(x, y):\n"
        "    subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "    y.copy_(x * 2)\n"
        "# variant NUMBER\n"
    ),
    "cpp": CPP,
}


def write_dataset(root: Path, each: int) -> None:
    """A dataset of one definition, three workloads, and solutions of several kinds."""
    _write(root / "definitions/toy/double.json", json.dumps(TINY))
    lines = []
    for length in (64, 128, 256):
        workload = {"uuid": f"w{length}", "axes": {"n": length}}
        lines.append(
            {"definition": "double", "workload": workload | {"inputs": {"x": {"type": "random"}}}}
        )
    _write(root / "workloads/toy/double.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    for kind, text in SOURCES.items():
        for number in range(each):
            name = f"{kind}_{number}"
            path = "main.cpp" if kind == "cpp" else "main.py"
            document = {
                "name": name,
                "definition": "double",
                "author": "chaos",
                "spec": {
                    "language": "cpp" if kind == "cpp" else "python",
                    "target_hardware": ["cpu"],
                    "entry_point": f"{path}::run",
                },
                "sources": [{"path": path, "content": text.replace("NUMBER", str(number))}],
            }
            _write(root / f"solutions/chaos/toy/double/{name}.json", json.dumps(document))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def victims(handles: list[RunHandle]) -> dict[str, list[int]]:
    """Processes of the engine by what they are."""
    found: dict[str, list[int]] = {}
    for pid in {handle.runner_pid for handle in handles if handle.runner_pid}:
        if not Path(f"/proc/{pid}").exists():
            continue
        found.setdefault("runner", []).append(pid)
        parent = _parent(pid)
        if "engine.run.keeper" in _command(parent):
            found.setdefault("keeper", []).append(parent)
        for below in reap.descendants(pid):
            found.setdefault(_kind(below, pid), []).append(below)
    found.pop("", None)
    return found


def _kind(pid: int, runner: int) -> str:
    command, parent = _command(pid), _parent(pid)
    if "engine.run.forkserver" in command:
        if parent == runner:
            return "fork server"
        return "guardian" if _parent(parent) == runner else "worker"
    if "box.py" in command or "c++" in command or "cc1plus" in command:
        return "builder"
    return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (OSError, UnicodeDecodeError):
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


class Chaos:
    """Kills and keeps runs going until enough has been killed and all have ended.

    Args:
        root: Folder for dataset, state and cache.
        kills: How many.
        seed: Of the choices.
        each: Solutions of each kind.
    """

    def __init__(self, root: Path, kills: int, seed: int, each: int) -> None:
        self._dataset = root / "dataset"
        self._state = root / "state"
        self._kills = kills
        self._random = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.handles: list[RunHandle] = []
        write_dataset(self._dataset, each)

    def run(self) -> list[str]:
        """Do it.

        Returns:
            What is wrong, a line each.
        """
        settings = msgspec.structs.replace(QUICK, quick_workloads=3, total_limit_s=60.0)
        next_kill = time.monotonic()
        while True:
            live = [handle for handle in self.handles if self._follow(handle)]
            done = sum(self.killed.values()) >= self._kills
            if done and not live:
                return self.problems()
            if not done and len(live) < 2:
                self.handles.append(
                    submit([self._dataset], devices=["cpu"], settings=settings, state=self._state)
                )
            if not done and time.monotonic() >= next_kill:
                self._kill(live)
                next_kill = time.monotonic() + self._random.expovariate(1 / 0.6)
            time.sleep(0.02)

    def _follow(self, handle: RunHandle) -> bool:
        handle.poll()
        if handle.state == "stopped":
            resume(handle)
        return handle.state not in ("finished", "failed", "cancelled")

    def _kill(self, live: list[RunHandle]) -> None:
        choices = victims(live)
        if not choices:
            return
        kind = self._random.choice(sorted(choices))
        try:
            os.kill(self._random.choice(choices[kind]), signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed[kind] += 1

    def problems(self) -> list[str]:
        """What is not as it must be, now that all has ended."""
        found = []
        wanted: Counter[str] = Counter()
        for handle in self.handles:
            if handle.state != "finished":
                found.append(f"run {handle.run} {handle.state}: {handle.progress.message}")
            for cell in handle.progress.cells.values():
                wanted[cell.evaluation] += 1
                if cell.status is None:
                    found.append(f"{cell.evaluation} {cell.solution}: {cell.phase} {cell.message}")
            for path in (handle.folder.events_file, handle.folder.samples_file):
                found += _torn(path)
            if list(handle.folder.pending.glob("*")):
                found.append(f"traces of {handle.run} are still on their way")
        traced: Counter[str] = Counter()
        for path in self._dataset.glob("traces/**/*.jsonl"):
            found += _torn(path)
            for line in path.read_bytes().splitlines():
                libs = json.loads(line)["evaluation"]["environment"]["libs"]
                traced[libs["fitui.evaluation"]] += 1
        for evaluation in wanted.keys() | traced.keys():
            if traced[evaluation] != 1:
                found.append(f"{evaluation} has {traced[evaluation]} traces")
        return found + self._left_behind()

    def _left_behind(self) -> list[str]:
        """Processes, locks and folders that should be gone."""
        deadline = time.monotonic() + 20
        while True:
            found = [f"process {pid}: {_command(pid)}" for pid in self._processes()]
            found += [
                f"lock of {one.name} is held" for one in find_devices("cpu") if find_holder(one)
            ]
            scratch = self._state / "scratch"
            found += [f"folder {path}" for path in scratch.glob("*/*")]
            found += [f"ticket {path}" for path in (self._state / "queue").glob("*")]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def _processes(self) -> list[int]:
        """Processes that stand in the state folder, serve its queue, or compile."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if str(self._state.parent) in where + _command(int(entry.name)):
                found.append(int(entry.name))
        return [pid for pid in found if pid != os.getpid()]


def _torn(path: Path) -> list[str]:
    data = path.read_bytes() if path.exists() else b""
    found = [] if not data or data.endswith(b"\n") else [f"{path} ends in half a line"]
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            found.append(f"{path}:{number} is no JSON")
    return found


def main() -> int:
    """Exit status 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=4, help="solutions of each kind")
    args = parser.parse_args()
    os.environ["FITUI_LINGER_S"] = "0"
    with tempfile.TemporaryDirectory(prefix="fitui-chaos-") as name:
        os.environ["FITUI_CACHE"] = f"{name}/cache"
        chaos = Chaos(Path(name), args.kills, args.seed, args.each)
        begun = time.monotonic()
        problems = chaos.run()
        counts = ", ".join(f"{number} {kind}s" for kind, number in sorted(chaos.killed.items()))
        evaluations = sum(len(handle.progress.cells) for handle in chaos.handles)
        statuses: Counter[str] = Counter()
        for handle in chaos.handles:
            statuses += handle.progress.counts
        print(
            f"seed {args.seed}: {sum(chaos.killed.values())} kills ({counts}) over "
            f"{len(chaos.handles)} runs with {evaluations} evaluations ({dict(statuses)}) in "
            f"{time.monotonic() - begun:.0f} s: {len(problems)} problems"
        )
        for problem in problems[:_MOST_SHOWN]:
            print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
