"""The closed vocabularies of the FlashInfer Trace schema."""

from __future__ import annotations

from enum import StrEnum


class DType(StrEnum):
    """Element types of tensors, named as in the schema and in torch."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT8_E4M3FN = "float8_e4m3fn"
    FLOAT8_E5M2 = "float8_e5m2"
    FLOAT4_E2M1 = "float4_e2m1"
    INT64 = "int64"
    INT32 = "int32"
    INT16 = "int16"
    INT8 = "int8"
    BOOL = "bool"

    @property
    def bits(self) -> int:
        """Bits of one element in memory."""
        if self is DType.BOOL:
            return 8
        digits = self.value.removeprefix("bfloat").removeprefix("float").removeprefix("int")
        return int(digits.partition("_")[0])


class Language(StrEnum):
    """Languages a solution can be written in."""

    PYTHON = "python"
    TRITON = "triton"
    CPP = "cpp"
    CUDA = "cuda"
    TILELANG = "tilelang"


class Binding(StrEnum):
    """How a compiled solution is bound to Python."""

    TVM_FFI = "tvm-ffi"
    TORCH = "torch"


class Status(StrEnum):
    """Verdict of one evaluation."""

    PASSED = "PASSED"
    INCORRECT_SHAPE = "INCORRECT_SHAPE"
    INCORRECT_NUMERICAL = "INCORRECT_NUMERICAL"
    INCORRECT_DTYPE = "INCORRECT_DTYPE"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    COMPILE_ERROR = "COMPILE_ERROR"
    TIMEOUT = "TIMEOUT"

    @property
    def letter(self) -> str:
        """One letter that tells the status apart without colour."""
        return _LETTERS.get(self, "?")  # a status of another program


_LETTERS = {
    Status.PASSED: "P",
    Status.INCORRECT_SHAPE: "S",
    Status.INCORRECT_NUMERICAL: "N",
    Status.INCORRECT_DTYPE: "D",
    Status.RUNTIME_ERROR: "R",
    Status.COMPILE_ERROR: "C",
    Status.TIMEOUT: "T",
}
