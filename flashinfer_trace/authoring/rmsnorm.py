"""RMS normalisation, alone and fused with the residual addition before it."""

from __future__ import annotations

from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Solution, Tensor, Workload

_BATCH_SIZES = (1, 7, 15, 16, 34, 63, 64, 79, 170, 8804, 10827, 11832, 14418, 14509)
_AXES = (
    Axis("batch_size", "Rows to normalise: the tokens of all sequences in the batch."),
    Axis("hidden_size", "Width of the model.", 4096),
)
_ROWS = ("batch_size", "hidden_size")
_WEIGHT = Tensor("weight", ("hidden_size",), "bfloat16", "Learned scale of each column.")
_OUTPUT = Tensor("output", _ROWS, "bfloat16", "The normalised and scaled rows.")

RMSNORM = Definition(
    name="rmsnorm_h4096",
    op_type="rmsnorm",
    description=(
        "RMS normalisation over rows of 4096, as in Llama 3.1 8B: each row is divided by the "
        "square root of its mean square plus 1e-5, then scaled by column."
    ),
    tags=("status:verified", "model:llama-3.1-8b", "fi_api:flashinfer.norm.rmsnorm"),
    axes=_AXES,
    inputs=(
        Tensor("hidden_states", _ROWS, "bfloat16", "Activations, one token a row."),
        _WEIGHT,
    ),
    outputs=(_OUTPUT,),
)

FUSED_ADD_RMSNORM = Definition(
    name="fused_add_rmsnorm_h4096",
    op_type="rmsnorm",
    description=(
        "Residual addition and RMS normalisation in one pass over rows of 4096, as in Llama 3.1 "
        "8B. The sum is not rounded before it is normalised, and is not an output; epsilon is "
        "1e-5."
    ),
    tags=(
        "status:verified",
        "model:llama-3.1-8b",
        "fused",
        "fi_api:flashinfer.norm.fused_add_rmsnorm",
    ),
    axes=_AXES,
    inputs=(
        Tensor("hidden_states", _ROWS, "bfloat16", "Output of the layer before, one token a row."),
        Tensor("residual", _ROWS, "bfloat16", "The residual stream to add to it."),
        _WEIGHT,
    ),
    outputs=(_OUTPUT,),
)

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
    workloads = tuple(Workload({"batch_size": size}) for size in _BATCH_SIZES)
    alone = (
        Solution(
            "torch_rmsnorm_h4096",
            "baseline",
            "python",
            False,
            "PyTorch's own rms_norm.",
        ),
        Solution(
            "triton_rmsnorm_h4096",
            "fitui",
            "triton",
            True,
            "One program a row: read once, reduce in registers, write once.",
        ),
        *_EXAMPLES,
    )
    fused = (
        Solution(
            "torch_fused_add_rmsnorm_h4096",
            "baseline",
            "python",
            True,
            "An addition in float32, then PyTorch's own rms_norm.",
        ),
        Solution(
            "triton_fused_add_rmsnorm_h4096",
            "fitui",
            "triton",
            False,
            "One program a row; the sum stays in registers, in float32.",
        ),
    )
    return (
        Problem(RMSNORM, workloads, alone),
        Problem(FUSED_ADD_RMSNORM, workloads, fused),
    )
