"""RMS normalisation, alone and fused with the residual addition before it."""

from __future__ import annotations

from typing import NamedTuple

from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Solution, Tensor, Workload


class _Norm(NamedTuple):
    """One norm layer: rows of what, in which model, called with how many rows."""

    width: int
    fused: bool
    status: str
    models: tuple[str, ...]
    title: str
    rows: str
    epsilon: float
    batch_sizes: tuple[int, ...]


_QWEN = (1, 6, 34, 64, 79, 12383, 16254)
_LLAMA = (1, 7, 15, 16, 34, 63, 64, 79, 170, 8804, 10827, 11832, 14418, 14509)
_DEEPSEEK = (1, 7, 18, 32, 64, 539, 11949, 14521)
_ANY = (1, 7, 16, 34, 64, 79, 170, 539, 2048, 8804, 14509)  # of models without a known trace
# A row for each of the 32 query heads or the 4 key heads of a token.
_QWEN_HEADS = tuple(sorted(heads * size for heads in (4, 32) for size in _QWEN))

_DEEPSEEK_TAGS = ("deepseek-v3", "deepseek-r1")
_WIDTH = "the model's width"
_NORMS = (
    _Norm(
        128, False, "verified", ("qwen3-30b-a3b",), "Qwen3 30B-A3B", "one head of a query or key",
        1e-6, _QWEN_HEADS,
    ),
    _Norm(
        512, False, "verified", _DEEPSEEK_TAGS, "DeepSeek V3 and R1", "the latent key and value",
        1e-6, _DEEPSEEK,
    ),
    _Norm(
        1536, False, "verified", _DEEPSEEK_TAGS, "DeepSeek V3 and R1", "the latent query",
        1e-6, _DEEPSEEK,
    ),
    _Norm(2048, False, "verified", ("qwen3-30b-a3b",), "Qwen3 30B-A3B", _WIDTH, 1e-6, _QWEN),
    _Norm(2048, True, "verified", ("qwen3-30b-a3b",), "Qwen3 30B-A3B", _WIDTH, 1e-6, _QWEN),
    _Norm(3072, False, "unverified", ("minimax-m2",), "MiniMax M2", _WIDTH, 1e-6, _ANY),
    _Norm(3072, True, "unverified", ("minimax-m2",), "MiniMax M2", _WIDTH, 1e-6, _ANY),
    _Norm(4096, False, "verified", ("llama-3.1-8b",), "Llama 3.1 8B", _WIDTH, 1e-5, _LLAMA),
    _Norm(4096, True, "verified", ("llama-3.1-8b",), "Llama 3.1 8B", _WIDTH, 1e-5, _LLAMA),
    _Norm(5120, False, "reference", ("qwen3-14b",), "Qwen3 14B", _WIDTH, 1e-6, _ANY),
    _Norm(5120, True, "reference", ("qwen3-14b",), "Qwen3 14B", _WIDTH, 1e-6, _ANY),
    _Norm(5376, False, "reference", ("gemma-3-27b",), "Gemma 3 27B", _WIDTH, 1e-6, _ANY),
    _Norm(5376, True, "reference", ("gemma-3-27b",), "Gemma 3 27B", _WIDTH, 1e-6, _ANY),
    _Norm(7168, False, "verified", _DEEPSEEK_TAGS, "DeepSeek V3 and R1", _WIDTH, 1e-6, _DEEPSEEK),
    _Norm(7168, True, "verified", _DEEPSEEK_TAGS, "DeepSeek V3 and R1", _WIDTH, 1e-6, _DEEPSEEK),
)  # fmt: skip
_NARROW = 512
"""Up to this width a program of the Triton solution takes several rows."""
_TORCH_BOUND = 4096
"""Width of the fused norm that has a CUDA solution: PyTorch's headers take long to compile."""
_ON_CPU = 128
"""Width of the norm that has a C++ solution."""

_ROWS = ("batch_size", "hidden_size")
_WEIGHT = Tensor("weight", ("hidden_size",), "bfloat16", "Factor of each column, learned.")
_OUTPUT = Tensor("output", _ROWS, "bfloat16", "The normalised and scaled rows.")


def _definition(norm: _Norm) -> Definition:
    kind = "fused_add_rmsnorm" if norm.fused else "rmsnorm"
    where = f"rows of {norm.width} numbers ({norm.rows}), as in {norm.title}"
    inputs: tuple[Tensor, ...]
    if norm.fused:
        description = (
            f"Residual addition and RMS normalisation in one pass over {where}. The sum is not "
            f"rounded before it is normalised, and is not an output; epsilon is {norm.epsilon:.0e}."
        )
        inputs = (
            Tensor("hidden_states", _ROWS, "bfloat16", "Output of the layer before, row by row."),
            Tensor("residual", _ROWS, "bfloat16", "The residual stream to add to it."),
            _WEIGHT,
        )
    else:
        description = (
            f"RMS normalisation over {where}: each row is divided by the square root of its mean "
            f"square plus {norm.epsilon:.0e}, then scaled by column."
        )
        inputs = (Tensor("hidden_states", _ROWS, "bfloat16", "The rows to normalise."), _WEIGHT)
    if "gemma-3-27b" in norm.models:
        description += " The weight is the whole factor, not one less than it as Gemma stores it."
    return Definition(
        name=f"{kind}_h{norm.width}",
        op_type="rmsnorm",
        description=description.replace("e-0", "e-"),
        tags=(
            f"status:{norm.status}",
            *(f"model:{model}" for model in norm.models),
            *(("fused",) if norm.fused else ()),
            f"fi_api:flashinfer.norm.{kind}",
        ),
        axes=(
            Axis("batch_size", "Rows to normalise, of the tokens of all sequences in the batch."),
            Axis("hidden_size", f"Length of a row: {norm.rows}.", norm.width),
        ),
        inputs=inputs,
        outputs=(_OUTPUT,),
        reference=kind,
        constants={"EPSILON": norm.epsilon},
    )


def _solutions(norm: _Norm, definition: str) -> tuple[Solution, ...]:
    constants = {"EPSILON": norm.epsilon}
    if norm.fused:
        torch_one = "An addition in float32, then PyTorch's own rms_norm."
        triton_one = "One program a row; the sum stays in registers, in float32."
        torch_folder = triton_folder = "fused_add_rmsnorm"
    else:
        torch_one = "PyTorch's own rms_norm."
        triton_one = "One program a row: read once, reduce in registers, write once."
        torch_folder = triton_folder = "rmsnorm"
        if norm.width <= _NARROW:
            triton_one = "A program takes a tile of rows: read once, reduce in registers, write."
            triton_folder = "rmsnorm_narrow"
    # Both calling styles occur among the solutions of either operator.
    found = (
        Solution(
            f"torch_{definition}", "baseline", "python", norm.fused, torch_one,
            torch_folder, constants,
        ),
        Solution(
            f"triton_{definition}", "fitui", "triton", not norm.fused, triton_one,
            triton_folder, constants,
        ),
    )  # fmt: skip
    return found + _compiled(norm, definition)


def _compiled(norm: _Norm, definition: str) -> tuple[Solution, ...]:
    """The solutions in CUDA and C++, whose rows' length is known when they are compiled."""
    constants = {"HIDDEN_SIZE": norm.width, "EPSILON": norm.epsilon}
    if norm.fused:
        if norm.width != _TORCH_BOUND:
            return ()
        text = "A block a row, 16 bytes a load; the sum stays in registers. Bound by PyTorch."
        fused = Solution(
            f"cuda_{definition}", "fitui", "cuda", False, text,
            "cuda_fused_add_rmsnorm", constants, binding="torch",
        )  # fmt: skip
        return (fused,)
    text = "A block a row, or several narrow ones; read once, 16 bytes a load. Bound by tvm-ffi."
    cuda = Solution(
        f"cuda_{definition}", "fitui", "cuda", True, text,
        "cuda_rmsnorm", constants, "tvm_ffi", "tvm-ffi",
    )  # fmt: skip
    if norm.width != _ON_CPU:
        return (cuda,)
    text = "C++ for one core of the CPU, in loops that become vector instructions."
    cpp = Solution(
        f"cpp_{definition}", "fitui", "cpp", True, text,
        "cpp_rmsnorm", constants, "tvm_ffi", "tvm-ffi",
    )  # fmt: skip
    return (cuda, cpp)


_EXAMPLES = (
    Solution(
        "example_wrong_shape",
        "examples",
        "python",
        False,
        "Ends in INCORRECT_SHAPE: written for [batch, sequence, hidden] activations, it returns "
        "the sequence dimension that the definition does not have.",
    ),
    Solution(
        "example_wrong_dtype",
        "examples",
        "python",
        False,
        "Ends in INCORRECT_DTYPE: it computes in float32, as it should, and forgets to convert "
        "the result back to bfloat16.",
    ),
    Solution(
        "example_wrong_values",
        "examples",
        "python",
        False,
        "Ends in INCORRECT_NUMERICAL: it normalises correctly and never applies the weight.",
    ),
    Solution(
        "example_runtime_error",
        "examples",
        "python",
        False,
        "Ends in RUNTIME_ERROR: its head count is that of a model 5120 wide, so that PyTorch "
        "refuses to reshape the rows.",
    ),
    Solution(
        "example_compile_error",
        "examples",
        "python",
        False,
        "Ends in COMPILE_ERROR: main.py imports a function by a name that its helpers.py has "
        "since given up, so the solution cannot be loaded.",
    ),
    Solution(
        "example_timeout",
        "examples",
        "python",
        False,
        "Ends in TIMEOUT: a Newton iteration waits for bitwise equality with a value that "
        "includes epsilon, which its own fixed point leaves out, and so never stops.",
    ),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads and solutions."""
    found: list[Problem] = []
    for norm in _NORMS:
        definition = _definition(norm)
        workloads = tuple(Workload({"batch_size": size}) for size in norm.batch_sizes)
        solutions = _solutions(norm, definition.name)
        if definition.name == "rmsnorm_h4096":
            solutions += _EXAMPLES
        found.append(Problem(definition, workloads, solutions))
    return tuple(found)
