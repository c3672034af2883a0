"""Can the figures be believed? Measured on a GPU, where nobody else works.

python -m benchmarks.timing               all parts
python -m benchmarks.timing spin graph    some of them

spin      kernels of known cycles, from 2 us to 5 ms: slope, intercept, spread between processes
graph     real kernels with a warm cache against the same in CUDA graphs
host      the nine-kernel reference of RMSNorm: what the device does, what the host adds
peers     ten solutions by five procedures: spread between processes, time spent
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from triton.testing import do_bench, do_bench_cudagraph

from benchmarks.timing_subjects import Subject, in_fresh_processes, new_page
from engine.measure.activity import make_recorder
from engine.measure.calibrate import take
from engine.measure.cuda import CudaTimer
from engine.measure.driver import SPIN, Driver, Kernels
from engine.schema import QUICK, Settings

MICROSECONDS = (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
PROCESSES = 10
PEERS = (
    ("rmsnorm_h4096", "triton_rmsnorm_h4096", 0.0),
    ("rmsnorm_h4096", "torch_rmsnorm_h4096", 0.0),
    ("rmsnorm_h4096", "triton_rmsnorm_h4096", 1.0),
    ("fused_add_rmsnorm_h2048", "triton_fused_add_rmsnorm_h2048", 0.5),
    (
        "rope_with_cos_sin_cache_neox_style_d128_rd64",
        "triton_rope_with_cos_sin_cache_neox_style_d128_rd64",
        0.5,
    ),
    ("gemm_n128_k2048", "torch_gemm_n128_k2048", 0.5),
    ("gemm_n4096_k4096", "triton_gemm_n4096_k4096", 0.2),
    (
        "gqa_paged_decode_h32_kv8_d128_ps64",
        "triton_gqa_paged_decode_h32_kv8_d128_ps64",
        0.5,
    ),
    ("gdn_decode_qk4_v8_d128_k_last", "triton_gdn_decode_qk4_v8_d128_k_last", 0.5),
    (
        "top_k_sampling_from_probs_v128256",
        "triton_top_k_sampling_from_probs_v128256",
        0.5,
    ),
)
PEER_PROCESSES = 5
Row = Sequence[object]


def table(title: str, heads: Row, rows: Sequence[Row]) -> None:
    """Print one table."""
    print(f"\n{title}\n\n| {' | '.join(map(str, heads))} |\n|{' --- |' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def spread(values: Sequence[float]) -> float:
    """The 95th percentile over the 5th, less one."""
    ordered = sorted(values)
    low, high = (_quantile(ordered, share) for share in (0.05, 0.95))
    return high / low - 1


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


# --- kernels of known cycles


def spin_times() -> dict[str, Any]:
    """Median microseconds of each kernel, and the clock by the GPU's own timer."""
    timer, kernels = CudaTimer(new_page()), Kernels(Driver())
    stream = torch.cuda.current_stream().cuda_stream
    mhz = _clock(lambda cycles: kernels.launch(SPIN, stream, cycles))

    def median(cycles: int) -> float:
        samples = take(timer, lambda: kernels.launch(SPIN, stream, cycles), 41)
        return statistics.median(sample.device_ns for sample in samples) / 1e3

    return {"mhz": mhz, "us": [median(round(us * mhz)) for us in MICROSECONDS]}


def _clock(spin: Callable[[int], None]) -> float:
    """Megahertz, from long kernels between events: not by what is to be tested."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    rates = []
    for _ in range(5):
        lasted = []
        for cycles in (4_000_000, 24_000_000):
            spin(200_000)
            start.record()
            spin(cycles)
            end.record()
            torch.cuda.synchronize()
            lasted.append(start.elapsed_time(end) * 1e3)
        rates.append(20_000_000 / (lasted[1] - lasted[0]))
    return float(statistics.median(rates))


def part_spin() -> None:
    """Line 1: slope, intercept, spread between processes."""
    found = in_fresh_processes(PROCESSES, spin_times)
    rows = []
    for number, us in enumerate(MICROSECONDS):
        medians = [one["us"][number] for one in found]
        middle = statistics.median(medians)
        rows.append((us, f"{middle:.3f}", f"{middle - us:.3f}", f"{spread(medians):.2%}"))
    heads = ("set us", "measured us", "difference us", f"p95/p5 of {PROCESSES} processes")
    clocks = [one["mhz"] for one in found]
    title = f"Kernels of known cycles (SM clock {min(clocks):.1f} to {max(clocks):.1f} MHz)"
    table(title, heads, rows)
    slopes = [statistics.linear_regression(MICROSECONDS, one["us"]) for one in found]
    # Relative weights: a fit of all that looks at 2 us as hard as at 5 ms.
    steps = [(one["us"][-1] - one["us"][0]) / (5000 - 2) for one in found]
    print(
        f"\nslope {statistics.median(line.slope for line in slopes):.5f} "
        f"(worst {max(abs(line.slope - 1) for line in slopes):.4%} off; ends alone "
        f"{statistics.median(steps):.5f}), intercept "
        f"{statistics.median(line.intercept for line in slopes):.3f} us"
    )


# --- real kernels against CUDA graphs


def graph_times(kind: str, us: float) -> dict[str, float]:
    """A call of about so long, warm: by us, and in a graph."""
    timer = CudaTimer(new_page())
    size, call = 8, SIZED[kind](8)
    for _ in range(14):
        took = _warm_us(timer, call)
        if took >= 0.9 * us:
            break
        size = max(size + 8, round(size * min(us / took, 4.0) ** (1 if kind == "sine" else 1 / 3)))
        call = SIZED[kind](size)
    # Ours first: the graph's records go to somebody else from then on.
    ours = _warm_us(timer, call)
    node, each = _graph_us(call, 50 if us < 1000 else 8)
    return {"size": size, "ours": ours, "node": node, "each": each}


def _sine(rows: int) -> Callable[[], Any]:
    one = torch.randn(rows, 4096, device="cuda", dtype=torch.bfloat16)
    out = torch.empty_like(one)
    return lambda: torch.sin(one, out=out)


def _product(size: int) -> Callable[[], Any]:
    one = torch.randn(size, size, device="cuda")
    out = torch.empty_like(one)
    return lambda: torch.mm(one, one, out=out)


SIZED = {"sine": _sine, "product": _product}


def _warm_us(timer: CudaTimer, call: Callable[[], Any]) -> float:
    call()
    torch.cuda.synchronize()
    timer.begin()
    samples = [timer.measure(call, cold=False) for _ in range(31)]
    timer.settle(samples)
    return statistics.median(sample.device_ns for sample in samples) / 1e3


def _graph_us(call: Callable[[], Any], times: int) -> tuple[float, float]:
    """Of a graph of one call after the other, per call: from first to last node, and the graph."""
    recorder = make_recorder("cupti", [])
    assert recorder is not None
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            call()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    graph.replay()
    torch.cuda.synchronize()
    recorder.begin()
    lasted = []
    for _ in range(11):
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        lasted.append(start.elapsed_time(end) * 1e3 / times)
    records = recorder.take()
    number = len(records) // (times * len(lasted))
    spans = [
        records[at + number - 1].end - records[at].start for at in range(0, len(records), number)
    ]
    return statistics.median(spans) / 1e3, float(statistics.median(lasted))


def part_graph() -> None:
    """Line 1: warm real kernels against CUDA graphs."""
    rows = []
    for kind in SIZED:
        for us in (5, 20, 200, 5000):
            (found,) = in_fresh_processes(1, graph_times, kind, us)
            ratio = found["ours"] / found["node"] - 1
            figures = (f"{found[name]:.2f}" for name in ("ours", "node", "each"))
            rows.append((kind, us, f"{found['size']:.0f}", *figures, f"{ratio:+.2%}"))
    heads = ("call", "about us", "size", "ours us", "in a graph us", "graph per call us")
    table("Sine of rows of 4096 bfloat16, product of square float32", (*heads, "difference"), rows)


# --- what the host adds


def host_times(place: float) -> dict[str, float]:
    """The reference of RMSNorm by our procedure and by flashinfer-bench's."""
    subject = Subject("rmsnorm_h4096", "", place)
    ours = subject.timing(Settings())
    return {
        "rows": subject.workload.axes["batch_size"],
        "span": ours.latency_ms * 1e3,
        "busy": statistics.median(ours.busy_ns) / 1e3,
        "kernels": statistics.median(ours.activities),
        "host": ours.host_us,
        "flashinfer": subject.flashinfer().latency_ms * 1e3,
    }


def part_host() -> None:
    """Line 2: the nine-kernel reference."""
    rows = []
    for place in (0.0, 0.5, 1.0):
        found = in_fresh_processes(PEER_PROCESSES, host_times, place)

        def both(name: str, found: list[dict[str, float]] = found) -> str:
            values = [one[name] for one in found]
            return f"{min(values):.2f} to {max(values):.2f}"

        rows.append(
            (
                f"{found[0]['rows']:.0f}",
                f"{found[0]['kernels']:.0f}",
                *(both(name) for name in ("span", "busy", "host", "flashinfer")),
            )
        )
    heads = ("rows", "kernels", "device span us", "busy us", "host us", "flashinfer's way us")
    table(f"RMSNorm's PyTorch reference, {PEER_PROCESSES} fresh processes", heads, rows)


# --- peers


def peer_times(definition: str, solution: str, place: float) -> dict[str, Any]:
    """[microseconds, seconds spent] of one solution by each procedure."""
    subject = Subject(definition, solution, place)
    call = subject.call()
    found: dict[str, Any] = {"axes": subject.workload.axes}
    for name, measure in (
        # The others first: once records are kept, every launch takes a little longer.
        ("do_bench", lambda: do_bench(call, return_mode="median")),
        ("do_bench_cudagraph", lambda: _in_graph(call)),
        ("ours", lambda: subject.timing(Settings()).latency_ms),
        ("ours, quick", lambda: subject.timing(QUICK).latency_ms),
        ("flashinfer", lambda: subject.flashinfer().latency_ms),
    ):
        call()
        torch.cuda.synchronize()
        begun = time.monotonic()
        took = measure()
        found[name] = None if took is None else [took * 1e3, time.monotonic() - begun]
    return found


def _in_graph(call: Callable[[], Any]) -> float | None:
    try:
        with torch.cuda.stream(torch.cuda.Stream()):
            return float(do_bench_cudagraph(call, return_mode="median"))
    except Exception:  # not everything can be captured
        torch.cuda.synchronize()
        return None


def part_peers() -> None:
    """Line 3: spread between processes and time spent, of five procedures."""
    names = ("ours", "ours, quick", "do_bench", "do_bench_cudagraph", "flashinfer")
    rows: list[Row] = []
    spreads: dict[str, list[float]] = {name: [] for name in names}
    spent: dict[str, list[float]] = {name: [] for name in names}
    for subject in PEERS:
        found = in_fresh_processes(PEER_PROCESSES, peer_times, *subject)
        cells = []
        for name in names:
            got = [one[name] for one in found if one[name] is not None]
            if len(got) < PEER_PROCESSES:
                cells.append("cannot be captured")
                continue
            middle = statistics.median(us for us, _ in got)
            off = spread([us for us, _ in got])
            seconds = statistics.median(taken for _, taken in got)
            spreads[name].append(off)
            spent[name].append(seconds)
            cells.append(f"{middle:.2f} us, {off:.1%}, {seconds:.2f} s")
        axes = " ".join(f"{name}={length}" for name, length in found[0]["axes"].items())
        rows.append((subject[1], axes, *cells))
    rows.append(
        (
            "median spread, worst; median seconds, most",
            "",
            *(
                f"{statistics.median(spreads[name]):.1%}, {max(spreads[name]):.1%}; "
                f"{statistics.median(spent[name]):.2f} s, {max(spent[name]):.2f} s"
                for name in names
            ),
        )
    )
    title = f"Median, p95/p5 of {PEER_PROCESSES} fresh processes, time spent in one"
    table(title, ("solution", "workload", *names), rows)


PARTS: dict[str, Callable[[], None]] = {
    "spin": part_spin,
    "graph": part_graph,
    "host": part_host,
    "peers": part_peers,
}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        os.environ.setdefault("FITUI_CACHE", root)
        for name in args.parts or PARTS:
            begun = time.monotonic()
            PARTS[name]()
            print(f"\n({name}: {time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
