"""The traces of the fixed dataset, and the files of it that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fitui.ui import fixed_sources as text
from tests.fitui.ui.fixed_files import (
    DAY,
    DECODE,
    DEFINITIONS,
    FORMER,
    HOUR,
    SOLUTIONS,
    WORKLOADS,
    Trace,
)
from tests.fitui.ui.tiny_files import lines, write

NORM_US = (1.93, 1.95, 2.41, 5.62, 19.8, 118.0)
SPLIT_US = (2.11, 2.14, 2.30, 4.90)


def history() -> list[dict[str, Any]]:
    """Nine days of triton_rmsnorm: a version that was faster, a failure, a slower one, torch."""
    found: list[dict[str, Any]] = []
    for day in range(12, 3, -1):
        version = FORMER[0] if day > 9 else FORMER[1]
        share = 1.3 if day > 9 else 1.0 if day > 5 else 1.22
        torch = "2.10.0" if day > 7 else "2.11.0"
        made = Trace(
            "triton_rmsnorm", day * DAY, version, f"202611{22 - day:02}-090000-0001", torch
        )
        if day == 8:
            found.append(made.failed(4, "RUNTIME_ERROR", text.SHAPES_LOG))
            continue
        wobble = 1 + 0.004 * (day % 3 - 1)
        found += [
            made.passed(place, round(NORM_US[place] * share * wobble, 3)) for place in (0, 3, 4)
        ]
    return found


def traces() -> dict[str, list[dict[str, Any]]]:
    """By file."""
    made = Trace("torch_rmsnorm", DAY)
    baseline = [made.passed(place, round(8.1 + 3.4 * 2**place, 2)) for place in range(6)]
    made = Trace("torch_gemm", 3 * DAY)
    gemm = (13.9, 14.2, 15.8, 226.0)
    baseline += [made.passed(place, latency) for place, latency in enumerate(gemm)]
    made = Trace("torch_gqa", 3 * DAY)
    baseline += [made.passed(0, 788.4, "host_sync", ci=0.14), made.passed(1, 6002.1, "host_sync")]
    baseline.append(made.failed(2, "RUNTIME_ERROR", text.MEMORY_LOG))

    ada = history()
    made = Trace("triton_rmsnorm", DAY)
    ada += [made.passed(place, latency) for place, latency in enumerate(NORM_US[:5])]
    ada.append(made.passed(5, NORM_US[5], "throttled: power cap", "low clock: 1410 of 1980 MHz"))
    made = Trace("triton_rmsnorm_split", 5 * HOUR)
    ada += [made.passed(place, latency) for place, latency in enumerate(SPLIT_US)]
    worst = [([2047, 4095], 0.8125, 3.0), ([2047, 4094], -1.25, 0.0), ([1031, 2048], 0.5, "NaN")]
    ada.append(made.wrong(4, 8192, worst))
    ada.append(made.wrong(5, 56428, [([14106, 4095], -0.40625, 1.75), ([14105, 2048], 1.0, 0.0)]))
    made = Trace("cuda_rmsnorm_vec4", 2 * HOUR)
    ada += [made.failed(place, "COMPILE_ERROR", text.VEC4_LOG) for place in range(6)]
    made = Trace("cached_rmsnorm", 6 * HOUR)
    ada.append(made.passed(0, 0.41, "no device work"))
    ada.append(made.passed(4, 1.2, "faster than the limit"))
    made = Trace("triton_gemm", 3 * DAY)
    ada += [made.passed(place, latency) for place, latency in enumerate((10.2, 10.9, 12.1, 214.5))]
    made = Trace("cuda_gemm_tma", 1800.0)
    ada += [made.failed(place, "COMPILE_ERROR", text.TMA_LOG) for place in range(2)]
    made = Trace("triton_gqa", 4 * HOUR)
    ada += [made.failed(place, "RUNTIME_ERROR", text.ARITY_LOG) for place in range(3)]

    bob = [
        *(
            Trace("rmsnorm_fp32_out", 2 * DAY).failed(place, "INCORRECT_DTYPE", text.DTYPE_LOG)
            for place in range(2)
        ),
        Trace("rmsnorm_columns", 2 * DAY).failed(2, "INCORRECT_SHAPE", text.SHAPE_LOG),
        Trace("rmsnorm_columns", 2 * DAY).failed(5, "RUNTIME_ERROR", text.SHAPES_LOG),
        Trace("rmsnorm_persistent", 40 * 60.0).passed(0, 2.6),
        Trace("rmsnorm_persistent", 40 * 60.0).failed(5, "TIMEOUT", text.TIMEOUT_LOG),
    ]
    return {"baseline": baseline, "ada": ada, "bob": bob}


def write_fixed(root: Path) -> Path:
    """Write the dataset.

    Args:
        root: Folder to make.
    """
    for definition in DEFINITIONS:
        path = root / "definitions" / definition["op_type"] / f"{definition['name']}.json"
        write(path, definition)
    for name, found in WORKLOADS.items():
        lines(root / "workloads" / f"{name}.jsonl", found)
    for item in SOLUTIONS:
        write(
            root / "solutions" / item["author"] / item["definition"] / f"{item['name']}.json", item
        )
    for author, made in traces().items():
        lines(root / "traces" / f"{author}.jsonl", made)
    _spoil(root)
    return root


def _spoil(root: Path) -> None:
    """What cannot be read: half a file, a wrong field, lines that are no traces, blobs."""
    (root / "definitions/gemm/draft.json").write_text('{"name": "gemm_draft", "axes": {')
    write(
        root / "solutions/bob/no_entry.json",
        {"name": "no_entry", "definition": "gemm_n4096_k4096", "author": "bob", "sources": []},
    )
    with (root / "traces/bob.jsonl").open("a") as stream:
        stream.write('{"definition": 3}\nnot json\n')
    blobs = root / "blob/workloads/gqa_paged" / DECODE
    blobs.mkdir(parents=True)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 264\n"
    (blobs / "batch_1_tokens_33.safetensors").write_text(pointer.format("ab" * 32))
