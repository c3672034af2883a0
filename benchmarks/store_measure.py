"""What ``benchmarks.store`` measures, one function each; seconds and megabytes.

Also the processes that it measures from outside: ``python -m benchmarks.store_measure open|query
DATASET CACHE`` and ``... append``.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmarks import store_data
from engine.store import TraceStore, Watcher, slim, watch
from engine.store.lines import read_blocks

Result = dict[str, Any]


def bounds(root: Path) -> Result:
    """One process reads the bytes; one process decodes them into slim Structs: wall and CPU."""
    files = sorted(root.glob("traces/*/*/*.jsonl"))
    decode = msgspec.json.Decoder(slim._Line).decode

    def go(each: Callable[[bytes], object]) -> tuple[float, float]:
        start, used = time.perf_counter(), time.process_time()
        for file in files:
            with file.open("rb") as stream:
                for _, block in read_blocks(stream.fileno(), 0, file.stat().st_size):
                    if block is not None:
                        each(block)
        return time.perf_counter() - start, time.process_time() - used

    def lines(block: bytes) -> None:
        view, at = memoryview(block), 0
        while (end := block.find(b"\n", at)) != -1:
            decode(view[at:end])
            at = end + 1

    go(len)  # warms the page cache
    size = sum(file.stat().st_size for file in files)
    (read, _), (decoded, used) = go(len), go(lines)
    return {
        "bytes": size,
        "files": len(files),
        "read": read,
        "decode": decoded,
        "decode_cpu": used,
    }


def cold(root: Path, cache: Path) -> Result:
    """Build the index, with the peak memory of the indexer and of each of its decoders."""
    shutil.rmtree(cache, ignore_errors=True)
    start, used = time.perf_counter(), _children_cpu()
    # Not at its own low priority: other programs of the machine would be measured with it.
    code = "import sys; from pathlib import Path; from engine.store.indexer import run; "
    code += "sys.exit(run([Path(sys.argv[1])], Path(sys.argv[2])))"
    indexer = subprocess.Popen([sys.executable, "-c", code, str(root), str(cache)])
    peaks: dict[int, int] = {}
    while indexer.poll() is None:
        for pid in (indexer.pid, *_children(indexer.pid)):
            peaks[pid] = max(peaks.get(pid, 0), _peak_kib(pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    own = peaks.pop(indexer.pid, 0) / 1024
    decoders = sum(sorted(peaks.values())[-2:]) / 1024
    size = sum(file.stat().st_size for file in cache.glob("*.db")) / 1e6
    return {
        "seconds": seconds,
        "cpu": _children_cpu() - used,
        "peak_mb": own,
        "decoders_mb": decoders,
        "index_mb": size,
    }


def warm_open(root: Path, cache: Path, repeats: int = 7) -> float:
    """A new process opens the store and shows the first page; nothing changed."""
    _child("open", root, cache)
    return median(_child("open", root, cache)["seconds"] for _ in range(repeats))


def warm_open_appended(root: Path, cache: Path, repeats: int = 5) -> float:
    """The same with ten lines more in one of a hundred files."""
    with _restored(root):
        times = []
        for _ in range(repeats):
            store_data.append(root, 0.01)
            times.append(_child("open", root, cache)["seconds"])
    _child("open", root, cache)
    return median(times)


def queries(root: Path, cache: Path) -> Result:
    """Milliseconds of every query, and the peak memory of the process that asked."""
    return _child("query", root, cache)


def latency(root: Path, cache: Path, polling: bool, repeats: int) -> Result:
    """Milliseconds from an append by another process to its row being there to be asked for."""
    times: list[float] = []
    former = watch.network_type
    if polling:
        watch.network_type = lambda path: "nfs4"
    arrived = threading.Event()
    moment = 0.0
    with _restored(root), TraceStore.open(root, cache=cache) as store:

        def changed(files: Collection[Path] | None = None) -> None:
            nonlocal moment
            if store.refresh(files):
                moment = time.monotonic()
                arrived.set()

        appender = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.store_measure", "append"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert appender.stdin is not None and appender.stdout is not None
        watcher = Watcher(store.layers, changed, changed)
        files = sorted(root.glob("traces/*/*/*.jsonl"))
        chosen = random.Random(1)
        try:
            for _ in range(repeats):
                time.sleep(chosen.uniform(0.0, 2.0) if polling else 0.15)
                arrived.clear()
                print(chosen.choice(files), file=appender.stdin, flush=True)
                written = float(appender.stdout.readline())
                if not arrived.wait(30):
                    raise RuntimeError("an append was missed")
                times.append((moment - written) * 1e3)
        finally:
            watcher.stop()
            watch.network_type = former
            appender.stdin.close()
            appender.wait()
        mode = watcher.mode
    with TraceStore.open(root, cache=cache):
        pass
    return {"median": median(times), "max": max(times), "mode": mode}


# -- the measured processes


def _open(root: Path, cache: Path) -> Result:
    start = time.perf_counter()
    with TraceStore.open(root, cache=cache) as store:
        store.definitions(limit=50)
        return {"seconds": time.perf_counter() - start}


def _query(root: Path, cache: Path) -> Result:
    with TraceStore.open(root, cache=cache) as store:
        big = f'def="{store_data.biggest(root)}"'
        name = store_data.biggest(root)
        count, whole = store.count("traces", big), store.count("traces")
        solution, workload = _busiest(store, name)
        asked: dict[str, Callable[[], object]] = {
            f"biggest by {field}, page at {share:.0%}": (
                lambda field=field, share=share: store.traces(
                    f"{big} status=PASSED", field, 50, int(count * 0.8 * share)
                )
            )
            for field in ("latency", "time", "-speedup", "solution", "hardware", "abs", "author")
            for share in (0, 0.5)
        }
        asked |= {
            f"all by {field}, page at {share:.0%}": (
                lambda field=field, share=share: store.traces("", field, 50, int(whole * share))
            )
            for field in ("latency", "-speedup", "-roofline", "-time")
            for share in (0, 0.5, 0.999)
        }
        asked |= {
            "summary of every definition": store.definitions,
            "summary of every solution": store.solutions,
            "summary of the biggest with medians": lambda: store.summary(name),
            "history of one pair": lambda: store.history(solution, workload),
            "counts by status": lambda: store.facet("traces", "status"),
            "counts by status, biggest": lambda: store.facet("traces", "status", big),
            "counts of alarms": lambda: store.count("traces", "is:alarm"),
            "count of all": lambda: store.count("traces"),
            "latest of every pair": store.latest,
            "matrix of the biggest": lambda: store.matrix(name),
        }
        return {
            "milliseconds": {name: _time(ask) for name, ask in asked.items()},
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def _busiest(store: TraceStore, definition: str) -> tuple[str, str]:
    rows = store.matrix(definition)
    best = max(rows, key=lambda row: len(store.history(row.solution, row.workload)))
    return best.solution, best.workload


def _time(ask: Callable[[], object], repeats: int = 9) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def _append() -> None:
    for number, path in enumerate(sys.stdin):
        with open(path.strip(), "rb+") as stream:
            document = json.loads(stream.readline())
            document["evaluation"]["log"] = f"appended {number} {time.time_ns()}"
            document["evaluation"]["environment"]["libs"].pop("fitui.evaluation", None)
            stream.seek(0, os.SEEK_END)
            stream.write(json.dumps(document).encode() + b"\n")
        print(time.monotonic(), flush=True)


def _child(what: str, root: Path, cache: Path) -> Result:
    command = [sys.executable, "-m", "benchmarks.store_measure", what, str(root), str(cache)]
    result: Result = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return result


@contextmanager
def _restored(root: Path) -> Iterator[None]:
    """Cut the trace files back to their present lengths at the end."""
    sizes = {file: file.stat().st_size for file in root.glob("traces/*/*/*.jsonl")}
    try:
        yield
    finally:
        for file, size in sizes.items():
            if file.stat().st_size != size:
                os.truncate(file, size)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _children(pid: int) -> list[int]:
    try:
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _peak_kib(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "append":
        _append()
    else:
        do = {"open": _open, "query": _query}[sys.argv[1]]
        print(json.dumps(do(Path(sys.argv[2]), Path(sys.argv[3]))))
