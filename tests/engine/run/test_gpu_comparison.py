"""Comparisons on a real GPU. Run by hand on a GPU machine: ``pytest -m gpu``.

That at most one of 200 comparisons of a kernel with itself says faster or slower, and that one that
is 3 % slower is told in 19 of 20, takes longer to see: ``benchmarks/comparisons.py``.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from engine.run.client import submit
from engine.schema import Settings
from engine.schema.run import ComparisonRecord, Verdict

from .conftest import wait_for

pytestmark = pytest.mark.gpu

NUMBER = 3
"""Workloads in a dataset, which are all alike: one comparison each."""
HIDDEN = 4096
ROWS = 2048

DEFINITION = {
    "name": "norm",
    "op_type": "rmsnorm",
    "axes": {"rows": {"type": "var"}, "hidden": {"type": "const", "value": HIDDEN}},
    "inputs": {
        "x": {"shape": ["rows", "hidden"], "dtype": "bfloat16"},
        "weight": {"shape": ["hidden"], "dtype": "bfloat16"},
    },
    "outputs": {"y": {"shape": ["rows", "hidden"], "dtype": "bfloat16"}},
    "reference": (
        "import torch\n"
        "def run(x, weight):\n"
        "    x = x.float()\n"
        "    x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)\n"
        "    return (x * weight.float()).to(torch.bfloat16)\n"
    ),
}
"""RMSNorm of 2048 rows, some 10 us."""

KERNEL = """\
import triton
import triton.language as tl

SPIN = {spin}

@triton.jit
def clock():
    return tl.inline_asm_elementwise(
        "mov.u64 $0, %clock64;", "=l", [], dtype=tl.int64, is_pure=False, pack=1
    )

@triton.jit
def norm(X, W, Y, spin, H: tl.constexpr):
    now = clock()
    end = now + spin
    while now < end:
        now = clock()
    at = tl.program_id(0).to(tl.int64) * H + tl.arange(0, H)
    x = tl.load(X + at).to(tl.float32)
    w = tl.load(W + tl.arange(0, H)).to(tl.float32)
    y = x * (1.0 / tl.sqrt(tl.sum(x * x) / H + 1e-5)) * w
    tl.store(Y + at, y.to(Y.dtype.element_ty))

def run(x, weight, y):
    norm[(x.shape[0],)](x, weight, y, SPIN, H=x.shape[1])
"""
"""Each row's program spins for some cycles before it begins."""


def write(root: Path, solutions: dict[str, int]) -> Path:
    """A dataset of RMSNorm; solutions by how many cycles a program of theirs spins."""
    for folder in ("definitions/rmsnorm", "workloads/rmsnorm", "solutions"):
        (root / folder).mkdir(parents=True)
    (root / "definitions/rmsnorm/norm.json").write_text(json.dumps(DEFINITION))
    inputs = {name: {"type": "random"} for name in ("x", "weight")}
    with (root / "workloads/rmsnorm/norm.jsonl").open("w") as stream:
        for number in range(NUMBER):
            workload = {"uuid": f"w{number}", "axes": {"rows": ROWS}, "inputs": inputs}
            stream.write(json.dumps({"definition": "norm", "workload": workload}) + "\n")
    for name, spin in solutions.items():
        document = {
            "name": name,
            "definition": "norm",
            "author": "tester",
            "spec": {
                "language": "triton",
                "target_hardware": ["cuda"],
                "entry_point": "main.py::run",
            },
            "sources": [{"path": "main.py", "content": KERNEL.format(spin=spin)}],
        }
        (root / f"solutions/{name}.json").write_text(json.dumps(document))
    return root


def compare(root: Path, a: str, b: str) -> list[ComparisonRecord]:
    """Compare on all workloads."""
    handle = submit([root], devices=["cuda:0"], settings=Settings(input_sets=2), compare=(a, b))
    wait_for(handle, lambda found: not found.live, 120)
    assert handle.state == "finished", handle.progress.message
    records = list(handle.folder.read_comparisons().values())
    assert len(records) == NUMBER
    return records


def ratios(records: list[ComparisonRecord]) -> list[float]:
    """B's time over A's."""
    assert all(record.time for record in records), records
    return [record.time.value for record in records if record.time is not None]


def spin_for(root: Path, share: float) -> int:
    """Cycles to spin so that the whole takes longer by a share, as measured here."""
    spin = 2000
    for attempt in range(6):
        dataset = write(root / str(attempt), {"norm": 0, "spins": spin})
        slower = fmean(ratios(compare(dataset, "norm", "spins"))) - 1
        if 0.9 * share < slower < 1.1 * share:
            return spin
        # What it adds is proportional to the cycles, unless they are hidden by something else.
        spin = max(1, round(spin * min(max(share / max(slower, 1e-3), 0.1), 3.0)))
    pytest.fail(f"{spin} cycles were not found to add {share:.0%}")


def test_a_kernel_is_not_told_from_itself(tmp_path: Path) -> None:
    dataset = write(tmp_path / "dataset", {"norm": 0})
    found = Counter(record.verdict for record in compare(dataset, "norm", "norm"))
    assert found[Verdict.SAME] + found[Verdict.UNCLEAR] == NUMBER, found


def test_clocks_are_known_and_agree(tmp_path: Path) -> None:
    dataset = write(tmp_path / "dataset", {"norm": 0})
    for record in compare(dataset, "norm", "norm"):
        assert record.cycles is not None
        assert record.time is not None
        assert record.cycles.value == pytest.approx(record.time.value, abs=0.02)
        assert all(200 < clock < 4000 for block in record.blocks for clock in block.clock_mhz)


def test_a_pair_of_processes_goes_to_another_workload_quickly(tmp_path: Path) -> None:
    dataset = write(tmp_path / "dataset", {"norm": 0})
    records = compare(dataset, "norm", "norm")
    # The first workload of a round bears the start of its processes.
    least = min(record.elapsed_s / len(record.a_ns) for record in records)
    assert least < 0.5, least


@pytest.mark.parametrize("share", [0.10, 0.03])
def test_one_that_spins_is_slower(tmp_path: Path, share: float) -> None:
    spin = spin_for(tmp_path / "probe", share)
    dataset = write(tmp_path / "dataset", {"norm": 0, "spins": spin})
    records = compare(dataset, "norm", "spins")
    found = Counter(record.verdict for record in records)
    assert found[Verdict.SLOWER] == NUMBER, (found, ratios(records), spin)
    assert all(abs(ratio - 1 - share) < 0.02 for ratio in ratios(records)), (ratios(records), spin)
