"""The roofline: the shortest time that measured ceilings allow, and what is said of a latency."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from engine.measure.facts import Work
from engine.measure.roofline import Ceilings, limit_of, percent
from flashinfer_trace import ROOT

MB = 10**6
CEILINGS = Ceilings(
    read_gb_s=4000.0,
    copy_gb_s=3600.0,
    l2_bytes=50 * MB,
    tflops={"bf16": 800.0, "fp16": 790.0, "tf32": 400.0, "fp8": 1500.0, "fp32": 60.0},
)


def limit(read: int = 0, written: int = 0, **flops: int) -> tuple[float, str]:
    work = Work(read_bytes=read, written_bytes=written, flops=flops, basis="formula")
    found = limit_of(work, CEILINGS)
    assert found is not None
    return found.us, found.by


def test_reads_take_the_time_that_memory_needs() -> None:
    assert limit(read=400 * MB) == (pytest.approx(100.0), "memory")


def test_writes_that_the_cache_holds_take_none() -> None:
    assert limit(read=400 * MB, written=50 * MB) == limit(read=400 * MB)


def test_writes_beyond_the_cache_share_the_bus_with_reads() -> None:
    assert limit(read=400 * MB, written=90 * MB) == (pytest.approx(110.0), "memory")


def test_a_copy_that_was_faster_than_reading_bounds_mixtures_only() -> None:
    faster = msgspec.structs.replace(CEILINGS, copy_gb_s=8000.0)
    read = Work(read_bytes=400 * MB, written_bytes=0, basis="shapes")
    both = msgspec.structs.replace(read, written_bytes=1250 * MB)
    assert [limit_of(work, faster) for work in (read, both)] == [
        limit_of(read, CEILINGS),
        msgspec.structs.replace(limit_of(read, CEILINGS), us=200.0),
    ]


def test_operations_bind_where_they_take_longer_than_memory() -> None:
    assert limit(read=4 * MB, bf16=1600 * MB) == (pytest.approx(2.0), "bf16")
    assert limit(read=12 * MB, bf16=1600 * MB) == (pytest.approx(3.0), "memory")


def test_precisions_add_up_as_they_share_the_units_and_the_longest_is_named() -> None:
    assert limit(bf16=1600 * MB, fp8=7500 * MB) == (pytest.approx(7.0), "fp8")


def test_other_operations_run_beside_the_matrix_units() -> None:
    assert limit(bf16=1600 * MB, vector=60 * MB) == (pytest.approx(2.0), "bf16")
    assert limit(bf16=1600 * MB, vector=180 * MB) == (pytest.approx(3.0), "vector")


def test_a_precision_without_units_runs_on_the_fastest_that_can_do_no_less() -> None:
    assert limit(fp4=1500 * MB) == (pytest.approx(1.0), "fp4")
    old = msgspec.structs.replace(CEILINGS, tflops={"fp32": 20.0, "fp16": 100.0})
    work = Work(read_bytes=0, written_bytes=0, flops={"tf32": 20 * MB}, basis="formula")
    found = limit_of(work, old)
    assert found is not None and found.us == pytest.approx(1.0)  # float16 would be too coarse


@pytest.mark.parametrize(
    ("read", "flops", "changed"),
    [
        (0, {}, {}),
        (MB, {"int8": MB}, {}),
        (MB, {"bf16": MB}, {"tflops": {"fp8": 1500.0}}),
        (MB, {}, {"read_gb_s": 0.0}),
    ],
    ids=["nothing to do", "unknown operations", "no rate", "no bandwidth"],
)
def test_no_limit_is_told_where_one_is_not_known(
    read: int, flops: dict[str, int], changed: dict[str, object]
) -> None:
    work = Work(read_bytes=read, written_bytes=0, flops=flops, basis="formula")
    assert limit_of(work, msgspec.structs.replace(CEILINGS, **changed)) is None


def test_percent_passes_100_where_a_latency_is_below_the_limit() -> None:
    assert percent(2.0, 4.0) == 50.0
    assert percent(2.0, 1.0) == 200.0
    assert percent(None, 1.0) is percent(2.0, None) is percent(2.0, 0.0) is None


def test_work_travels_as_plain_data_and_none_of_it_loads_torch() -> None:
    work = Work(read_bytes=3, written_bytes=4, flops={"bf16": 5}, basis="shapes")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(work), type=Work) == work
    program = "import sys, engine.measure.roofline; sys.exit('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT.parent, timeout=60)
    assert found.returncode == 0
