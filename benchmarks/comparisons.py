"""Do comparisons say what is so? Of kernels with themselves, and with one that takes 3 % longer.

python -m benchmarks.comparisons --device cuda:0 --self 200 --slower 20
python -m benchmarks.comparisons --device cpu --self 4 --slower 2 --percent 200

Compared with themselves are two solutions of rmsnorm_h4096 (on a GPU) and a loop of arithmetic, on
workloads that differ in size; with a longer loop, the loop. How much longer that takes is found out
beforehand by nothing of ours: calls back to back between two events, on the CPU by its clock.

Exit status 1 if more than one in 200 comparisons of a kernel with itself says anything but "same"
or "unclear", or fewer than 19 in 20 with the longer loop say "slower".
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct, structs

from benchmarks.throughput import DEFINITION, SOURCES, TINY
from benchmarks.timing_subjects import in_fresh_processes
from engine.run.client import RunHandle, submit
from engine.schema import Settings
from engine.schema.run import ComparisonRecord, Verdict

BUNDLED = Path(__file__).resolve().parents[1] / "flashinfer_trace"
LOOP, LONGER = "loop", "longer_loop"
STEP = 16
"""Of the numbers of rounds: Triton compiles the same code for all multiples of it."""
TRIES = 5
AHEAD_CYCLES = 20_000_000
"""Some 10 ms, in which a hundred kernels are launched."""

ON_GPU = """\
import triton
import triton.language as tl

ROUNDS = {rounds}


@triton.jit
def _double(x_ptr, y_ptr, n, rounds, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n, other=0.0)
    value = x
    for _ in range(rounds):
        value = value * 0.5 + 0.25
    # It has come to 0.5, which no compiler can know.
    tl.store(y_ptr + at, tl.where(value < 0.0, value, x * 2), mask=at < n)


def run(x, y):
    grid = (triton.cdiv(x.numel(), 128),)
    _double[grid](x, y, x.numel(), ROUNDS, BLOCK=128, num_warps=4)
"""
ON_CPU = """\
ROUNDS = {rounds}


def run(x, y):
    value = 1.0
    for _ in range(ROUNDS):
        value = value * 0.5 + 0.25
    y.copy_(x * 2)
"""


class Setup(Struct, frozen=True, kw_only=True):
    """What is compared on one kind of device.

    Args:
        language: Of the loop.
        source: Its text, but for the number of rounds.
        rounds: Of the shorter loop: some 20 us on a GPU.
        kernels: Solutions of rmsnorm_h4096, by the names of ``SOURCES``.
        batch: Calls that are timed plainly at a time.
        settings: Of the runs.
    """

    language: str
    source: str
    rounds: int
    kernels: tuple[str, ...]
    batch: int
    settings: Settings


SETUPS = {
    "cuda": Setup(
        language="triton",
        source=ON_GPU,
        rounds=9600,
        kernels=("triton", "torch"),
        batch=100,
        settings=Settings(),
    ),
    "cpu": Setup(
        language="python",
        source=ON_CPU,
        rounds=4000,
        kernels=(),
        batch=20,
        settings=structs.replace(Settings(), cpu_estimate_limit_s=1000.0),
    ),
}


class Group(Struct, kw_only=True):
    """Comparisons of the same two kernels on several workloads.

    Args:
        title: Of its row.
        longer: Whether the second one takes longer.
        records: What came of them.
        missing: Why others were not made.
    """

    title: str
    longer: bool
    records: list[ComparisonRecord]
    missing: list[str]

    @property
    def verdicts(self) -> Counter[Verdict]:
        """How many of each."""
        return Counter(record.verdict for record in self.records)

    @property
    def count(self) -> int:
        """How many should have been made."""
        return len(self.records) + len(self.missing)


def plain_times(device: str, sources: Sequence[str]) -> list[float]:
    """Seconds of a call of each loop, which take turns with many calls each; medians."""
    place = torch.device(device)
    batch = SETUPS[place.type].batch
    x = torch.rand(1024, device=place)
    y = torch.empty_like(x)
    with tempfile.TemporaryDirectory() as folder:
        loops = [_load(Path(folder) / f"loop_{at}.py", text) for at, text in enumerate(sources)]
        found: list[list[float]] = [[] for _ in loops]
        for repeat in range(22):
            for loop, times in zip(loops, found, strict=True):
                took = _time_batch(lambda loop=loop: loop(x, y), batch, place)
                # The first compile, warm up and raise the clocks.
                if repeat > 1:
                    times.append(took / batch)
                if not torch.equal(y, x * 2):
                    raise RuntimeError("a loop gives wrong results")
    return [statistics.median(times) for times in found]


def _load(path: Path, text: str) -> Callable[..., Any]:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[..., Any] = module.run
    return run


def _time_batch(call: Callable[[], Any], number: int, place: torch.device) -> float:
    """Seconds of some calls, back to back."""
    if place.type == "cpu":
        begun = time.perf_counter()
        for _ in range(number):
            call()
        return time.perf_counter() - begun
    torch.cuda.set_device(place)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    # Meanwhile the host, which could be slower than the device, gets ahead.
    torch.cuda._sleep(AHEAD_CYCLES)
    start.record()
    for _ in range(number):
        call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def find_longer(device: str, percent: float) -> tuple[int, float]:
    """Rounds with which a loop takes longer by a share, as measured plainly.

    Args:
        device: Where.
        percent: How much longer.

    Returns:
        The rounds, and the ratio of the two times.

    Raises:
        RuntimeError: The ratio is off by more than a sixth of the difference in all tries.
    """
    chosen = SETUPS[device.partition(":")[0]]

    def times(*rounds: int) -> list[float]:
        sources = [chosen.source.format(rounds=number) for number in rounds]
        found: list[float] = in_fresh_processes(1, plain_times, device, sources)[0]
        return found

    ratios = []
    for _ in range(TRIES):
        once, twice = times(chosen.rounds, 2 * chosen.rounds)
        # A launch takes its time as well.
        more = once * percent / 100 / max((twice - once) / chosen.rounds, 1e-12)
        rounds = chosen.rounds + max(round(more / STEP), 1) * STEP
        shorter, longer = times(chosen.rounds, rounds)
        ratios.append(longer / shorter)
        if abs(ratios[-1] - 1 - percent / 100) <= percent / 600:
            return rounds, ratios[-1]
    raise RuntimeError(f"no loop takes {percent:g} % longer here: {ratios}")


def write_dataset(root: Path, kind: str, workloads: int, longer: int) -> dict[str, list[str]]:
    """Two definitions with workloads from small to large, and all solutions.

    Returns:
        Workloads of each definition.
    """
    chosen = SETUPS[kind]
    norm = json.loads((BUNDLED / f"definitions/rmsnorm/{DEFINITION}.json").read_text())
    uuids = {}
    for definition, axis, step in ((norm, "batch_size", 8), (TINY, "n", 128)):
        name = definition["name"]
        _write(root / f"definitions/{name}.json", json.dumps(definition))
        inputs = {item: {"type": "random"} for item in definition["inputs"]}
        lines = []
        for number in range(1, workloads + 1):
            workload = {"uuid": f"{name}_{number}", "axes": {axis: step * number}}
            lines.append({"definition": name, "workload": workload | {"inputs": inputs}})
        uuids[name] = [line["workload"]["uuid"] for line in lines]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        _write(root / f"workloads/{name}.jsonl", text)
    for kernel in chosen.kernels:
        _write(root / f"solutions/{kernel}.json", SOURCES[kernel].read_text())
    for name, rounds in ((LOOP, chosen.rounds), (LONGER, longer)):
        document = {
            "name": name,
            "definition": TINY["name"],
            "author": "benchmark",
            "spec": {
                "language": chosen.language,
                "target_hardware": [kind],
                "entry_point": "main.py::run",
            },
            "sources": [{"path": "main.py", "content": chosen.source.format(rounds=rounds)}],
        }
        _write(root / f"solutions/{name}.json", json.dumps(document))
    return uuids


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def carry_out(root: Path, device: str, itself: int, slower: int, longer: int) -> list[Group]:
    """Make all comparisons, a run for each pair, by one runner.

    Args:
        root: Folder for dataset and state.
        device: Where.
        itself: How many of kernels with themselves.
        slower: How many with the longer loop.
        longer: Rounds of that.

    Raises:
        RuntimeError: A run broke down.
    """
    kind = device.partition(":")[0]
    kernels = [f"{kernel}_{DEFINITION}" for kernel in SETUPS[kind].kernels] + [LOOP]
    wanted = [
        (kernel, kernel, itself // len(kernels) + (number < itself % len(kernels)))
        for number, kernel in enumerate(kernels)
    ]
    wanted.append((LOOP, LONGER, slower))
    most = max(count for _, _, count in wanted)
    uuids = write_dataset(root / "dataset", kind, most, longer)
    handles = [
        submit(
            [root / "dataset"],
            devices=[device],
            workloads=uuids[DEFINITION if a.endswith(DEFINITION) else TINY["name"]][:count],
            settings=SETUPS[kind].settings,
            compare=(a, b),
            state=root / "state",
        )
        for a, b, count in wanted
        if count
    ]
    return [_group(handle) for handle in handles]


def _group(handle: RunHandle) -> Group:
    while True:
        handle.poll()
        if not handle.live:
            break
        time.sleep(0.05)
    if handle.state != "finished":
        raise RuntimeError(f"{handle.state}: {handle.progress.message}; see {handle.log_file}")
    assert handle.request.compare is not None
    a, b = handle.request.compare
    records = handle.folder.read_comparisons()
    cells = handle.progress.cells.values()
    return Group(
        title=f"{a} with {'itself' if a == b else b}",
        longer=a != b,
        records=list(records.values()),
        missing=[cell.message for cell in cells if cell.evaluation not in records],
    )


def problems(groups: Sequence[Group]) -> list[str]:
    """What is not as it should be."""
    found = []
    for longer in (False, True):
        chosen = [group for group in groups if group.longer is longer]
        count = sum(group.count for group in chosen)
        verdicts = sum((group.verdicts for group in chosen), Counter[Verdict]())
        if longer:
            missed, allowed = count - verdicts[Verdict.SLOWER], count // 20
            what = "with the longer loop do not say slower"
        else:
            missed = count - verdicts[Verdict.SAME] - verdicts[Verdict.UNCLEAR]
            allowed = max(count // 200, 1)
            what = "of a kernel with itself say neither same nor unclear"
        if missed > allowed:
            found.append(f"{missed} of {count} comparisons {what}")
    return found


def report(groups: Sequence[Group], ratio: float, wall_s: float) -> None:
    """Print the table."""
    verdicts = list(Verdict)
    heads = ["compared", "number", *verdicts, "lowest B/A", "highest B/A", "processes", "s each"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for group in groups:
        ratios = [record.time.value for record in group.records if record.time is not None]
        print(
            f"| {group.title} | {group.count} |",
            " | ".join(str(group.verdicts[verdict]) for verdict in verdicts),
            f"| {min(ratios, default=math.nan):.4f} | {max(ratios, default=math.nan):.4f}",
            f"| {_mean([len(record.a_ns) for record in group.records]):.1f}",
            f"| {_mean([record.elapsed_s for record in group.records]):.2f} |",
        )
    records = [record for group in groups for record in group.records]
    places = sorted({f"{record.hardware} by {record.timer}" for record in records if record.timer})
    print(f"\nOn {', '.join(places)}, {wall_s:.0f} s in all.")
    print(f"The longer loop takes {ratio:.4f} times as long, measured plainly.")
    for group in groups:
        reasons = [record.reason for record in group.records if record.verdict is Verdict.FAILED]
        for reason, number in Counter([*group.missing, *reasons]).items():
            print(f"{group.title}: {number} x {reason}")


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else math.nan


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--self", dest="itself", metavar="N", type=int, default=200)
    parser.add_argument("--slower", metavar="N", type=int, default=20)
    parser.add_argument("--percent", type=float, default=3.0, help="how much longer (3)")
    args = parser.parse_args()
    os.environ["FITUI_LINGER_S"] = "0"
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fitui-comparisons-") as name:
        os.environ["FITUI_CACHE"] = f"{name}/cache"
        longer, ratio = find_longer(args.device, args.percent)
        groups = carry_out(Path(name), args.device, args.itself, args.slower, longer)
    report(groups, ratio, time.monotonic() - begun)
    wrong = problems(groups)
    for text in wrong:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
