"""The fixed dataset: small, with everything in it that a screen has to show, at fixed moments.

Three definitions that are worked on and one that nobody has touched; solutions in three languages;
traces of every status, of several versions over twelve days; files that cannot be read.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from engine.schema import Solution
from tests.fitui.ui import fixed_sources as text

NOW = 1795348800.0
"""2026-11-22 12:00 UTC, when every picture is made."""
HOUR, DAY = 3600.0, 86400.0

NORM, GEMM, DECODE, UNTOUCHED = (
    "rmsnorm_h4096",
    "gemm_n4096_k4096",
    "gqa_paged_decode_h32_kv8_d128_ps1",
    "softmax_v128256",
)
RUN = "20261121-093000-4c1e"
"""The run that left most of the traces."""


def _tensor(shape: list[str], dtype: str = "bfloat16") -> dict[str, Any]:
    return {"shape": shape, "dtype": dtype}


def _definition(
    name: str, op: str, about: str, axes: dict[str, int], **rest: Any
) -> dict[str, Any]:
    made = {
        axis: {"type": "const", "value": value} if value else {"type": "var"}
        for axis, value in axes.items()
    }
    return {"name": name, "op_type": op, "description": about, "axes": made, **rest}


DEFINITIONS = (
    _definition(
        NORM,
        "rmsnorm",
        "Root mean square norm over rows of 4096, as between the layers of an 8B model.",
        {"batch_size": 0, "hidden_size": 4096},
        inputs={
            "hidden_states": _tensor(["batch_size", "hidden_size"]),
            "weight": _tensor(["hidden_size"]),
        },
        outputs={"out": _tensor(["batch_size", "hidden_size"])},
        tags=["stage:prefill", "stage:decode", "model:eight-b"],
        constraints=["batch_size > 0"],
        reference=text.NORM_REFERENCE,
    ),
    _definition(
        GEMM,
        "gemm",
        "A times the transpose of B, both in bfloat16.",
        {"M": 0, "N": 4096, "K": 4096},
        inputs={"a": _tensor(["M", "K"]), "b": _tensor(["N", "K"])},
        outputs={"out": _tensor(["M", "N"])},
        reference=text.GEMM_REFERENCE,
    ),
    _definition(
        DECODE,
        "gqa_paged",
        "Attention of one new token per sequence over a cache in pages of one token.",
        {
            "batch_size": 0,
            "num_qo_heads": 32,
            "num_kv_heads": 8,
            "head_dim": 128,
            "page_size": 1,
            "num_pages": 0,
            "len_indptr": 0,
            "num_kv_indices": 0,
        },
        inputs={
            "q": _tensor(["batch_size", "num_qo_heads", "head_dim"]),
            "k_cache": _tensor(["num_pages", "page_size", "num_kv_heads", "head_dim"]),
            "v_cache": _tensor(["num_pages", "page_size", "num_kv_heads", "head_dim"]),
            "kv_indptr": _tensor(["len_indptr"], "int32"),
            "kv_indices": _tensor(["num_kv_indices"], "int32"),
            "sm_scale": {"shape": None, "dtype": "float32"},
        },
        outputs={"out": _tensor(["batch_size", "num_qo_heads", "head_dim"])},
        constraints=["len_indptr == batch_size + 1"],
        reference=text.DECODE_REFERENCE,
    ),
    _definition(
        UNTOUCHED,
        "softmax",
        "Probabilities over a vocabulary.",
        {"batch_size": 0, "vocab_size": 128256},
        inputs={"logits": _tensor(["batch_size", "vocab_size"], "float32")},
        outputs={"probs": _tensor(["batch_size", "vocab_size"], "float32")},
        reference="import torch\n\n\ndef run(logits):\n    return torch.softmax(logits, dim=-1)\n",
    ),
)


def _workload(definition: str, axes: dict[str, int], inputs: dict[str, Any]) -> dict[str, Any]:
    number = sum((place + 1) * value for place, value in enumerate(axes.values()))
    uuid = f"{number:08x}-0000-4000-8000-{len(definition):012x}"
    return {
        "definition": definition,
        "workload": {"axes": axes, "inputs": inputs, "uuid": uuid},
    }


_RANDOM = {"type": "random"}


def _decode_workload(batch: int, tokens: int) -> dict[str, Any]:
    axes = {
        "batch_size": batch,
        "num_pages": 16384,
        "len_indptr": batch + 1,
        "num_kv_indices": tokens,
    }
    path = f"./blob/workloads/gqa_paged/{DECODE}/batch_{batch}_tokens_{tokens}.safetensors"
    inputs = dict.fromkeys(("q", "k_cache", "v_cache"), _RANDOM)
    for name in ("kv_indptr", "kv_indices"):
        inputs[name] = {"type": "safetensors", "path": path, "tensor_key": name}
    return _workload(DECODE, axes, {**inputs, "sm_scale": {"type": "scalar", "value": 0.0884}})


WORKLOADS = {
    NORM: [
        _workload(NORM, {"batch_size": size}, {"hidden_states": _RANDOM, "weight": _RANDOM})
        for size in (1, 7, 34, 256, 2048, 14107)
    ],
    GEMM: [
        _workload(GEMM, {"M": size}, {"a": _RANDOM, "b": _RANDOM}) for size in (1, 16, 128, 4096)
    ],
    DECODE: [_decode_workload(1, 33), _decode_workload(16, 9316), _decode_workload(64, 41201)],
    UNTOUCHED: [_workload(UNTOUCHED, {"batch_size": 8}, {"logits": _RANDOM})],
}
LIMITS_US = {
    NORM: [0.01, 0.02, 0.14, 1.02, 8.05, 55.4],
    GEMM: [8.02, 8.1, 9.03, 161.0],
    DECODE: [0.04, 9.1, 40.2],
}
REFERENCES_US = {
    NORM: [11.2, 11.4, 12.0, 17.9, 118.0, 790.0],
    GEMM: [14.1, 14.6, 16.2, 230.4],
    DECODE: [460.4, 6120.0, 24410.0],
}


def _solution(
    name: str,
    definition: str,
    language: str,
    files: dict[str, str],
    about: str,
    author: str = "ada",
) -> dict[str, Any]:
    main = next(iter(files))
    return {
        "name": name,
        "definition": definition,
        "author": author,
        "description": about,
        "spec": {
            "language": language,
            "target_hardware": ["NVIDIA H200"],
            "entry_point": f"{main}::run",
        },
        "sources": [{"path": path, "content": content} for path, content in files.items()],
    }


def _python(inputs: str, call: str) -> dict[str, str]:
    return {"main.py": text.TORCH.format(inputs=inputs, call=call)}


def _triton(warps: int, scale: str = "tl.rsqrt") -> dict[str, str]:
    source = text.TRITON.replace("{warps}", str(warps)).replace("tl.rsqrt", scale)
    return {"main.py": source}


_ROWS = "hidden_states, weight"
SOLUTIONS = (
    _solution(
        "torch_rmsnorm",
        NORM,
        "python",
        _python(_ROWS, "torch.nn.functional.rms_norm(hidden_states, [4096], weight, 1e-5)"),
        "One call of PyTorch.",
        "baseline",
    ),
    _solution("triton_rmsnorm", NORM, "triton", _triton(8), "A program a row."),
    _solution("triton_rmsnorm_split", NORM, "triton", _triton(4), "A row in two halves."),
    _solution("cuda_rmsnorm_vec4", NORM, "cuda", {"kernel.cu": text.VEC4}, "Loads of 8 bytes."),
    _solution(
        "cached_rmsnorm", NORM, "python", _python(_ROWS, "KEPT.get(hidden_states)"), "Remembers."
    ),
    _solution("rmsnorm_fp32_out", NORM, "triton", _triton(2), "Writes float32.", "bob"),
    _solution("rmsnorm_columns", NORM, "triton", _triton(1), "A program a column.", "bob"),
    _solution("rmsnorm_persistent", NORM, "triton", _triton(16), "One wave of programs.", "bob"),
    _solution("rmsnorm_untested", NORM, "triton", _triton(32), "Not run so far.", "bob"),
    _solution("torch_gemm", GEMM, "python", _python("a, b", "a @ b.T"), "cuBLAS.", "baseline"),
    _solution("triton_gemm", GEMM, "triton", _python("a, b", "tiles(a, b)"), "Tiles of 128."),
    _solution(
        "cuda_gemm_tma",
        GEMM,
        "cuda",
        {"main.cu": text.TMA, "tile.cuh": text.TILE},
        "Tiles through the tensor memory accelerator.",
    ),
    _solution("torch_gqa", DECODE, "python", _python("*given", "loop(given)"), "", "baseline"),
    _solution(
        "triton_gqa", DECODE, "triton", _python("*given", "split(given)"), "Split over keys."
    ),
)
VERSIONS = {item["name"]: msgspec.convert(item, Solution).content_hash() for item in SOLUTIONS}
"""Content hashes of the solutions as they are now."""
FORMER_SOLUTIONS = (
    _solution("triton_rmsnorm", NORM, "triton", _triton(1, "x * tl.rsqrt"), "A program a row."),
    _solution("triton_rmsnorm", NORM, "triton", _triton(6), "A program a row."),
)
"""The first two versions of triton_rmsnorm."""
FORMER = tuple(msgspec.convert(item, Solution).content_hash() for item in FORMER_SOLUTIONS)
"""Their content hashes."""


def evaluation_id(run: str, solution: str, place: int) -> str:
    """Id of the evaluation of a solution on a workload, by the workload's place."""
    return f"{run}.{sum(map(ord, solution)) + place:05}"


def moment(t: float) -> str:
    """A time as traces have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(t))


class Trace:
    """Traces of one definition, in the form of those that an H200 left.

    Args:
        solution: Name.
        age: Seconds before ``NOW``.
        version: Content hash, "" for the present one.
        run: That made them.
        torch: Version.
    """

    def __init__(
        self, solution: str, age: float, version: str = "", run: str = RUN, torch: str = "2.11.0"
    ) -> None:
        self.solution = solution
        self.definition = next(i["definition"] for i in SOLUTIONS if i["name"] == solution)
        self.t = NOW - age
        self.libs = {
            "python": "3.12.3",
            "torch": torch,
            "triton": "3.6.0",
            "cuda": "13.0",
            "driver": "580.95.05",
            "fitui.run": run,
            "fitui.solution": version or VERSIONS[solution],
            "fitui.settings": "98139aad8d9344eb",
            "fitui.sandbox": "namespaces",
            "fitui.timer": "cupti",
            "fitui.contention": "none",
        }

    def _line(self, place: int, status: str, body: dict[str, Any], log: str) -> dict[str, Any]:
        evaluation = evaluation_id(self.libs["fitui.run"], self.solution, place)
        return {
            **WORKLOADS[self.definition][place],
            "solution": self.solution,
            "evaluation": {
                "status": status,
                "environment": {
                    "hardware": "NVIDIA H200",
                    "libs": {**self.libs, "fitui.evaluation": evaluation},
                },
                "timestamp": moment(self.t + 20 * place),
                "log": log,
                **body,
            },
        }

    def passed(
        self, place: int, latency_us: float, *flags: str, ci: float = 0.004, limit_us: float = 0.0
    ) -> dict[str, Any]:
        """Right outputs, and how long they took."""
        reference = REFERENCES_US[self.definition][place]
        limit = limit_us or LIMITS_US[self.definition][place]
        elements = 4096 * (place + 1)
        own: dict[str, Any] = {
            "checks": [
                {
                    "output": "out",
                    "elements": elements,
                    "bad": 0,
                    "max_abs": 0.0039,
                    "max_rel": 0.01,
                }
            ],
            "upstream_ok": True,
            "seed": f"{place + 1:032x}",
            **_figures(latency_us, ci),
            "warm_us": round(latency_us * 0.86, 4),
            "flags": list(flags),
            "reference": _figures(reference, 0.006),
            "speedup": [round(reference / latency_us * share, 4) for share in (0.99, 1.01)],
            "limit_us": limit,
            "limit_by": "memory" if self.definition != GEMM or place < 3 else "bf16",
            "roofline": round(100 * limit / latency_us, 2),
        }
        body = {
            "correctness": {
                "max_relative_error": 0.01,
                "max_absolute_error": 0.0039,
                "extra": {"fitui": own},
            },
            "performance": {
                "latency_ms": latency_us / 1e3,
                "reference_latency_ms": reference / 1e3,
                "speedup_factor": reference / latency_us,
            },
        }
        return self._line(place, "PASSED", body, "")

    def failed(self, place: int, status: str, log: str) -> dict[str, Any]:
        """No outputs, or such as cannot be compared."""
        return self._line(place, status, {}, log)

    def wrong(
        self, place: int, bad: int, worst: list[tuple[list[int], float, float | str]]
    ) -> dict[str, Any]:
        """Wrong values: how many, and of the worst the place, what was expected and what came."""
        elements = 4096 * WORKLOADS[self.definition][place]["workload"]["axes"]["batch_size"]
        found = [{"index": at, "expected": wanted, "got": got} for at, wanted, got in worst]
        finite = [abs(got - wanted) for _at, wanted, got in worst if not isinstance(got, str)]
        check = {
            "output": "out",
            "elements": elements,
            "bad": bad,
            "max_abs": max(finite),
            "max_rel": 1.25,
            "worst": found,
        }
        own = {"checks": [check], "upstream_ok": False, "seed": f"{place + 1:032x}"}
        body = {
            "correctness": {
                "max_relative_error": 1.25,
                "max_absolute_error": max(finite),
                "extra": {"fitui": own},
            }
        }
        log = f"out: {bad} of {elements} elements differ by more than the tolerance\n"
        return self._line(place, "INCORRECT_NUMERICAL", body, log)


def _figures(median_us: float, ci: float) -> dict[str, Any]:
    return {
        "timer": "cupti",
        "n": 120,
        "median_us": median_us,
        "low_us": round(median_us * (1 - ci), 4),
        "high_us": round(median_us * (1 + ci), 4),
        "p5_us": round(median_us * 0.97, 4),
        "p95_us": round(median_us * 1.09, 4),
        "ci": ci,
        "host_us": round(median_us * 1.2 + 9, 4),
        "busy_us": round(median_us * 0.98, 4),
        "kernels": 1,
        "clock_mhz": 1965,
    }
