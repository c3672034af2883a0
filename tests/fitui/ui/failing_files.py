"""A dataset of which much fails: two solutions do not compile, others have wrong values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fitui.ui.tiny_files import WORKLOADS, lines, solution, trace, write, write_dataset

KERNEL = "\n".join(
    [
        "#include <cuda.h>",
        *[f"// line {number}" for number in range(2, 88)],
        "  tma_load(smem, desc);",
        *[f"// line {number}" for number in range(89, 120)],
    ]
)

NVCC = """\
kernel.cu:88: error: identifier "tma_load" is undefined
== nvcc kernel.cu
kernel.cu(88): error: identifier "tma_load" is undefined

1 error detected in the compilation of "kernel.cu".
"""

WRAPPED = """\
Traceback (most recent call last):
  File "/opt/venv/lib/python3.11/site-packages/flashinfer_bench/compile/registry.py", line 115
    runnable = builder.build(definition, solution)
BuildError: Error building extension 'fib_3f9a': [1/2] nvcc -c kernel.cu
/home/ada/.cache/fib_3f9a/kernel.cu(88): error: identifier "tma_load" is undefined
"""

ARITY = "TypeError: run() takes 1 positional argument but 2 were given (in first call)\n"


def cuda(name: str) -> dict[str, Any]:
    """A CUDA solution of one file."""
    document = solution(name)
    document["spec"] = {
        "language": "cuda",
        "target_hardware": ["cuda"],
        "entry_point": "kernel.cu::run",
    }
    document["sources"] = [{"path": "kernel.cu", "content": KERNEL}]
    return document


def write_failing(root: Path) -> Path:
    """Add failures to the tiny dataset.

    Latest failures then: 4 that do not compile (2 solutions), 3 with a wrong number of arguments,
    2 with wrong values (of two solutions), and 1 that raised.
    """
    write_dataset(root)
    folder = root / "solutions/me/pointwise/double_h8"
    for name in ("tma_a", "tma_b"):
        write(folder / f"{name}.json", cuda(name))
    for name in ("returns", "large"):
        write(folder / f"{name}.json", solution(name))
    found = [trace("tma_a", item, "COMPILE_ERROR", log=NVCC) for item in WORKLOADS]
    found.append(trace("tma_b", WORKLOADS[0], "COMPILE_ERROR", log=WRAPPED))
    found += [trace("returns", item, "RUNTIME_ERROR", log=ARITY) for item in WORKLOADS]
    found += [trace("large", item, "PASSED") for item in WORKLOADS[:2]]
    found.append(trace("large", WORKLOADS[2], "INCORRECT_NUMERICAL"))
    lines(root / "traces/me/pointwise/double_h8.jsonl", found)
    return root
