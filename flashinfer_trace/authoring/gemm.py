"""The output projection of an attention block: a dense float16 matrix product."""

from __future__ import annotations

from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Solution, Tensor, Workload

# Decode batches (1 to 4, then multiples of 8 up to 256) and prefills of uneven length.
_ROWS = sorted({1, 2, 4, *range(8, 257, 8), 7, 15, 35, 70, 972, 2053, 2379, 8192})

GEMM = Definition(
    name="gemm_n4096_k4096",
    op_type="gemm",
    description=(
        "C = A @ B.T with a 4096 x 4096 weight in float16: the output projection of attention in "
        "Llama 3.1 8B."
    ),
    tags=("status:verified", "model:llama-3.1-8b"),
    axes=(
        Axis("M", "Rows of A: tokens in the batch."),
        Axis("N", "Rows of B: features produced.", 4096),
        Axis("K", "Columns of A and B: features consumed.", 4096),
    ),
    inputs=(
        Tensor("A", ("M", "K"), "float16", "Activations, one token a row."),
        Tensor("B", ("N", "K"), "float16", "Weight, one produced feature a row."),
    ),
    outputs=(Tensor("C", ("M", "N"), "float16", "The product, rounded once from float32."),),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definition with its workloads and solutions."""
    solutions = (
        Solution(
            "torch_gemm_n4096_k4096",
            "baseline",
            "python",
            True,
            "torch.matmul into the given output (cuBLAS on CUDA).",
        ),
        Solution(
            "triton_gemm_n4096_k4096",
            "fitui",
            "triton",
            True,
            "Tiled product with float32 accumulation; tile sizes chosen by M from a fixed table.",
        ),
    )
    return (Problem(GEMM, tuple(Workload({"M": rows}) for rows in _ROWS), solutions),)
