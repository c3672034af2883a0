"""Synthetic datasets for ``benchmarks.store``: the same number always gives the same bytes.

The shape follows what is known of real datasets: 156 definitions of very different sizes (the
biggest has 5.6 % of the traces), 2,000 solutions of 20 authors, one trace file per author and
definition, lines of 0.7 to 2.4 kB, and one line in twenty with a log of 20 to 200 kB, which
together are three quarters of the bytes. A quarter of the traces carry this program's own
``fitui.*`` marks and figures, one in eight of those with flags.
"""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

SEED = 20261122
DEFINITIONS = 156
SOLUTIONS = 2000
AUTHORS = 20
LONG_LOGS = 0.05
OWN_TRACES = 0.25

_OPS = ("gemm", "rmsnorm", "gqa_paged", "gqa_ragged", "mla_paged", "moe", "sampling", "rope")
_BAD = ("INCORRECT_NUMERICAL", "RUNTIME_ERROR", "COMPILE_ERROR", "TIMEOUT", "INCORRECT_SHAPE")
_HARDWARE = ("NVIDIA H200", "NVIDIA B200", "NVIDIA H100 80GB HBM3", "AMD Instinct MI300X")
_LANGUAGES = ("triton", "cuda", "python")
_START = datetime(2025, 7, 1)
_FLAGS = ("host_sync", "throttled: power cap", "low clock: 1650 of 1980 MHz", "late work")


class _Definition(NamedTuple):
    name: str
    op_type: str
    workloads: list[bytes]


class _Shelf(NamedTuple):
    """One trace file: the solutions of one author for one definition."""

    path: Path
    definition: _Definition
    solutions: list[str]


def make(root: Path, traces: int) -> None:
    """Write a dataset, unless it is there.

    Args:
        root: Its folder.
        traces: How many evaluations.
    """
    done = root / f"made-{traces}"
    if done.exists():
        return
    chosen = random.Random(SEED)
    texts = [_text(chosen, 200_000) for _ in range(24)]
    definitions = [_definition(root, chosen, number) for number in range(DEFINITIONS)]
    weights = [1 / (number + 5.2) for number in range(DEFINITIONS)]
    shelves = _solutions(root, chosen, definitions, weights, texts)
    for place, definition in enumerate(definitions):
        share = round(traces * weights[place] / sum(weights))
        if place == DEFINITIONS - 1:
            share = traces - sum(round(traces * w / sum(weights)) for w in weights[:-1])
        own = [shelf for shelf in shelves if shelf.definition is definition]
        parts = [len(shelf.solutions) * chosen.uniform(0.5, 1.5) for shelf in own]
        for number, shelf in enumerate(own):
            count = round(share * sum(parts[: number + 1]) / sum(parts))
            count -= round(share * sum(parts[:number]) / sum(parts))
            if count:
                _write_traces(shelf, chosen, count, texts)
    done.touch()


def append(root: Path, share: float, lines: int = 10) -> int:
    """Append to some of the trace files.

    Returns:
        How many lines were appended.
    """
    files = sorted(root.glob("traces/*/*/*.jsonl"))
    step = max(1, round(1 / share))
    written = 0
    for file in files[::step]:
        with file.open("rb") as stream:
            model = stream.readline()
        stamp = datetime.now().isoformat()
        document = json.loads(model)
        with file.open("ab") as stream:
            for number in range(lines):
                document["evaluation"]["timestamp"] = f"{stamp}{number}"[:26]
                stream.write(json.dumps(document).encode() + b"\n")
                written += 1
    return written


def biggest(root: Path) -> str:
    """Name of the definition with the most traces."""
    return json.loads(next(iter(sorted(root.glob("definitions/*/d000_*.json")))).read_bytes())[
        "name"
    ]


def _text(chosen: random.Random, length: int) -> bytes:
    """ASCII that needs no escaping in JSON but for its newlines."""
    words = [
        "".join(chosen.choices("abcdefghijklmnopqrstuvwxyz_", k=chosen.randrange(2, 12)))
        for _ in range(4000)
    ]
    lines: list[str] = []
    size = 0
    while size < length:
        line = f"{chosen.choice(words)}.py:{chosen.randrange(900)}: " + " ".join(
            chosen.choices(words, k=9)
        )
        lines.append(line)
        size += len(line) + 2
    return "\\n".join(lines).encode()[:length].rstrip(b"\\")


def _put(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))


def _definition(root: Path, chosen: random.Random, number: int) -> _Definition:
    op_type = _OPS[number % len(_OPS)]
    name = f"d{number:03}_{op_type}_h{chosen.choice((1024, 2048, 4096, 7168))}"
    tensors = [f"input_{place}" for place in range(chosen.randrange(2, 8))]
    _put(
        root / "definitions" / op_type / f"{name}.json",
        {
            "name": name,
            "op_type": op_type,
            "axes": {"M": {"type": "var"}, "K": {"type": "const", "value": 64}},
            "inputs": {key: {"shape": ["M", "K"], "dtype": "bfloat16"} for key in tensors},
            "outputs": {"output": {"shape": ["M", "K"], "dtype": "bfloat16"}},
            "reference": f"def run({', '.join(tensors)}):\n    return {tensors[0]}\n",
            "tags": ["stage:decode", f"model:m{number % 9}"],
            "description": f"Synthetic {op_type}, number {number}.",
        },
    )
    lines, workloads = [], []
    for place in range(chosen.randrange(12, 40)):
        uuid = f"{chosen.getrandbits(128):032x}"
        inputs = {key: {"type": "random"} for key in tensors}
        workload = {"axes": {"M": 2 ** (place % 15)}, "inputs": inputs, "uuid": uuid}
        lines.append(json.dumps({"definition": name, "workload": workload}))
        workloads.append(json.dumps(workload).encode())
    path = root / "workloads" / op_type / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return _Definition(name, op_type, workloads)


def _solutions(
    root: Path,
    chosen: random.Random,
    definitions: list[_Definition],
    weights: list[float],
    texts: list[bytes],
) -> list[_Shelf]:
    shelves: dict[tuple[int, int], _Shelf] = {}
    places = list(range(DEFINITIONS))
    places += chosen.choices(range(DEFINITIONS), weights, k=SOLUTIONS - DEFINITIONS)
    for number, place in enumerate(places):
        definition, author = definitions[place], chosen.randrange(AUTHORS)
        name = f"{definition.name}_v{number:04}"
        source = chosen.choice(texts)[: chosen.randrange(5_000, 40_000)].decode()
        comment = "\n".join(f"# {line}" for line in source.split("\\n"))
        below = Path(f"author{author:02}", definition.op_type, definition.name)
        spec = {
            "language": _LANGUAGES[number % 3],
            "target_hardware": ["cuda"],
            "entry_point": "main.py::run",
        }
        _put(
            root / "solutions" / below / f"{name}.json",
            {
                "name": name,
                "definition": definition.name,
                "author": f"author{author:02}",
                "spec": spec,
                "sources": [{"path": "main.py", "content": f"{comment}\ndef run(*x): ...\n"}],
            },
        )
        path = (root / "traces" / below).with_suffix(".jsonl")
        shelf = shelves.setdefault((place, author), _Shelf(path, definition, []))
        shelf.solutions.append(name)
    return [shelves[key] for key in sorted(shelves)]


def _write_traces(shelf: _Shelf, chosen: random.Random, count: int, texts: list[bytes]) -> None:
    name = json.dumps(shelf.definition.name).encode()
    heads = [
        b'{"definition": %b, "workload": %b, "solution": "%b", "evaluation": {"status": "'
        % (name, workload, solution.encode())
        for workload in shelf.definition.workloads
        for solution in shelf.solutions
    ]
    hardware = chosen.choice(_HARDWARE)
    torch, triton = chosen.randrange(6, 11), chosen.randrange(3, 6)
    libs = f'"torch": "2.{torch}.0", "triton": "3.{triton}.0", "cuda": "12.8"'
    run = f"{chosen.getrandbits(40):010x}"
    own = chosen.random() < OWN_TRACES
    moment = _START + timedelta(seconds=chosen.randrange(20_000_000))
    parts = []
    pick, uniform, exponent = chosen.random, chosen.uniform, chosen.expovariate
    shelf.path.parent.mkdir(parents=True, exist_ok=True)
    with shelf.path.open("wb", 1 << 20) as stream:
        for number in range(count):
            moment += timedelta(seconds=exponent(1 / 60))
            marks = ""
            if own:
                marks = f', "fitui.run": "{run}", "fitui.evaluation": "e{number}"'
                marks += ', "fitui.timer": "cupti"'
            passed = pick() < 0.82
            status = "PASSED" if passed else _BAD[int(pick() * len(_BAD))]
            text = texts[int(pick() * len(texts))]
            if pick() < LONG_LOGS:
                log = text[: int(20_000 * 10 ** pick())]
            else:
                start = int(pick() * 100_000)
                log = text[start : start + int(exponent(1 / 450))]
            log = log.strip(b"\\").lstrip(b"n")
            tail = ""
            if passed or status == "INCORRECT_NUMERICAL":
                tail = f', "correctness": {{"max_relative_error": {pick():.6e}'
                extra = _figures(chosen) if own and passed else "null"
                tail += f', "max_absolute_error": {pick():.6e}, "extra": {extra}}}'
            if passed:
                latency, ratio = uniform(0.002, 2.0), uniform(0.2, 5.0)
                tail += f', "performance": {{"latency_ms": {latency!r}'
                tail += f', "reference_latency_ms": {latency * ratio!r}'
                tail += f', "speedup_factor": {ratio!r}}}'
            middle = (
                f'{status}", "environment": {{"hardware": "{hardware}", "libs": '
                f'{{{libs}{marks}}}}}, "timestamp": "{moment.isoformat()}", "log": "'
            )
            parts = [heads[int(pick() * len(heads))], middle.encode(), log, b'"', tail.encode()]
            stream.write(b"".join(parts) + b"}}\n")


def _figures(chosen: random.Random) -> str:
    """What this program writes beside a passed evaluation, of two outputs."""
    median, reference = chosen.uniform(2.0, 2000.0), chosen.uniform(2.0, 9000.0)
    limit = median * chosen.uniform(0.1, 1.05)
    checks = [
        {"output": name, "elements": 65536, "bad": 0, "max_abs": 0.0078125, "max_rel": 0.012345}
        for name in ("output", "lse")
    ]
    own: dict[str, Any] = {
        "checks": checks,
        "comparisons": 8,
        "upstream_ok": True,
        "seed": f"{chosen.getrandbits(128):032x}",
        **_summary(median),
        "reference": _summary(reference),
        "speedup": [round(reference / median * 0.99, 4), round(reference / median * 1.01, 4)],
        "limit_us": round(limit, 4),
        "limit_by": chosen.choice(("memory", "bf16")),
        "roofline": round(100 * limit / median, 2),
    }
    if chosen.random() < 0.125:
        own["flags"] = [chosen.choice(_FLAGS)]
    return json.dumps({"fitui": own})


def _summary(median: float) -> dict[str, Any]:
    return {
        "timer": "cupti",
        "n": 120,
        "median_us": round(median, 4),
        "low_us": round(median * 0.997, 4),
        "high_us": round(median * 1.003, 4),
        "p5_us": round(median * 0.98, 4),
        "p95_us": round(median * 1.03, 4),
        "ci": 0.00312,
        "host_us": 31.25,
        "busy_us": round(median * 0.95, 4),
        "kernels": 2,
        "warm_us": round(median * 0.9, 4),
        "clock_mhz": 1980,
        "together": True,
    }
