"""Dense layers of language models: float16 matrix products with a transposed weight."""

from __future__ import annotations

from typing import NamedTuple

from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Solution, Tensor, Workload

# Decode batches (1 to 4, then multiples of 8 up to 256) and prefills of uneven length.
_LLAMA = (1, 2, 4, *range(8, 257, 8), 7, 15, 35, 70, 972, 2053, 2379, 8192)
_QWEN = (
    1, 2, 4, 5, 6, 8, 16, 17, 25, 32, 34, 63, 64, 93, 128, 172, 289, 492, 952, 8828, 11006, 12251,
    12853, 14915, 16294,
)  # fmt: skip
_QWEN_OUT = (*_QWEN, 15, 969, 11938, 15813)
_DEEPSEEK = (1, 4, 14, 15, 16, 32, *range(53, 59), 63, 64, 539, 11949, 14104)
_ANY = (1, 4, 8, 16, 32, 64, 128, 256, 972, 2053, 8192)  # of models without a known trace


class _Layer(NamedTuple):
    """One dense layer: `features` produced from `inputs`, called with how many rows."""

    features: int
    inputs: int
    status: str
    models: tuple[str, ...]
    title: str
    role: str
    rows: tuple[int, ...] = _ANY


_QKV = "the projection to queries, keys and values"
_OUT = "the output projection of attention"
_GATE_UP = "the joined gate and up projections of the feed-forward block"
_DOWN = "the down projection of the feed-forward block"
_ROUTER = "the router of the mixture of experts"

_LLAMA_70B = ("unverified", ("llama-3.1-70b",), "Llama 3.1 70B")
_LLAMA_8B = ("verified", ("llama-3.1-8b",), "Llama 3.1 8B")
_LLAMA_3B = ("unverified", ("llama-3.2-3b",), "Llama 3.2 3B")
_QWEN_30B = ("verified", ("qwen3-30b-a3b",), "Qwen3 30B-A3B")
_QWEN_14B = ("reference", ("qwen3-14b",), "Qwen3 14B")
_QWEN_7B = ("unverified", ("qwen2.5-7b",), "Qwen2.5 7B")
_GEMMA = ("reference", ("gemma-3-27b",), "Gemma 3 27B")
_MINIMAX = ("unverified", ("minimax-m2",), "MiniMax M2")
_DEEPSEEK_V3 = ("verified", ("deepseek-v3", "deepseek-r1"), "DeepSeek V3 and R1")

_LAYERS = (
    _Layer(6144, 4096, *_LLAMA_8B, _QKV, _LLAMA),
    _Layer(4096, 4096, *_LLAMA_8B, _OUT, _LLAMA),
    _Layer(28672, 4096, *_LLAMA_8B, _GATE_UP, _LLAMA),
    _Layer(4096, 14336, *_LLAMA_8B, _DOWN, _LLAMA),
    _Layer(10240, 8192, *_LLAMA_70B, _QKV),
    _Layer(8192, 8192, *_LLAMA_70B, _OUT),
    _Layer(57344, 8192, *_LLAMA_70B, _GATE_UP),
    _Layer(8192, 28672, *_LLAMA_70B, _DOWN),
    _Layer(5120, 3072, *_LLAMA_3B, _QKV),
    _Layer(3072, 3072, *_LLAMA_3B, _OUT),
    _Layer(16384, 3072, *_LLAMA_3B, _GATE_UP),
    _Layer(3072, 8192, *_LLAMA_3B, _DOWN),
    _Layer(5120, 2048, *_QWEN_30B, _QKV, _QWEN),
    _Layer(2048, 4096, *_QWEN_30B, _OUT, _QWEN_OUT),
    _Layer(128, 2048, *_QWEN_30B, _ROUTER, _QWEN),
    _Layer(7168, 5120, *_QWEN_14B, _QKV),
    _Layer(5120, 5120, *_QWEN_14B, _OUT),
    _Layer(34816, 5120, *_QWEN_14B, _GATE_UP),
    _Layer(5120, 17408, *_QWEN_14B, _DOWN),
    _Layer(4608, 3584, *_QWEN_7B, _QKV),
    _Layer(3584, 3584, *_QWEN_7B, _OUT),
    _Layer(37888, 3584, *_QWEN_7B, _GATE_UP),
    _Layer(3584, 18944, *_QWEN_7B, _DOWN),
    _Layer(4096, 5376, *_GEMMA, "the projection to queries"),
    _Layer(2048, 5376, *_GEMMA, "the projection to keys, or that to values"),
    _Layer(5376, 4096, *_GEMMA, _OUT),
    _Layer(21504, 5376, *_GEMMA, "the gate projection of the feed-forward block, or the up one"),
    _Layer(5376, 21504, *_GEMMA, _DOWN),
    _Layer(8192, 3072, *_MINIMAX, _QKV),
    _Layer(3072, 6144, *_MINIMAX, _OUT),
    _Layer(256, 3072, *_MINIMAX, _ROUTER),
    _Layer(256, 7168, *_DEEPSEEK_V3, _ROUTER, _DEEPSEEK),
)


def _definition(layer: _Layer) -> Definition:
    return Definition(
        name=f"gemm_n{layer.features}_k{layer.inputs}",
        op_type="gemm",
        description=(
            f"C = A @ B.T with a {layer.features} x {layer.inputs} weight in float16: {layer.role} "
            f"in {layer.title}."
        ),
        tags=(f"status:{layer.status}", *(f"model:{model}" for model in layer.models)),
        axes=(
            Axis("M", "Rows of A: tokens in the batch."),
            Axis("N", "Rows of B: features produced.", layer.features),
            Axis("K", "Columns of A and B: features consumed.", layer.inputs),
        ),
        inputs=(
            Tensor("A", ("M", "K"), "float16", "Activations, one token a row."),
            Tensor("B", ("N", "K"), "float16", "Weight, one produced feature a row."),
        ),
        outputs=(Tensor("C", ("M", "N"), "float16", "The product, rounded once from float32."),),
        reference="gemm",
    )


def _solutions(definition: str) -> tuple[Solution, ...]:
    return (
        Solution(
            f"torch_{definition}",
            "baseline",
            "python",
            True,
            "torch.matmul into the given output (cuBLAS on CUDA).",
            "gemm",
        ),
        Solution(
            f"triton_{definition}",
            "fitui",
            "triton",
            True,
            "Tiled product with float32 accumulation; tile sizes from a fixed table, by M and by "
            "how many programs N leaves.",
            "gemm",
        ),
    )


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads and solutions."""
    return tuple(
        Problem(
            definition,
            tuple(Workload({"M": rows}) for rows in sorted(set(layer.rows))),
            _solutions(definition.name),
        )
        for layer in _LAYERS
        for definition in [_definition(layer)]
    )
