"""Which cause is to be found in which log.

Two logs for most causes: what differs between solutions, machines and programs (folders, addresses,
devices, sizes, line numbers, wrappers) must not tell them apart.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.engine.insight import failure_logs as logs


class Sample(NamedTuple):
    """A log and what is to be found in it."""

    name: str
    status: str
    log: str
    kind: str
    line: str
    hint: str = ""
    place: tuple[str, int] = ("", 0)
    same_as: str = ""


C, R = "COMPILE_ERROR", "RUNTIME_ERROR"

SAMPLES = (
    Sample(
        "nvcc",
        C,
        logs.NVCC_OURS,
        "compile",
        'kernel.cu:88: error: identifier "tma_load" is undefined',
        place=("kernel.cu", 88),
    ),
    Sample(
        "nvcc in a BuildError",
        C,
        logs.NVCC_WRAPPED,
        "compile",
        'main.cu:31: error: identifier "tma_load" is undefined',
        place=("/home/ada/.cache/fib/9f3a1c/main.cu", 31),
        same_as="nvcc",
    ),
    Sample(
        "g++",
        C,
        logs.GXX,
        "compile",
        "binding.cpp:14: error: 'launch_rmsnorm' was not declared in this scope",
        place=("/scratch/tmpa81k2j9x/binding.cpp", 14),
    ),
    Sample(
        "missing header",
        C,
        logs.HEADER_OURS,
        "compile",
        "attention.cu:3: error: cutlass/cutlass.h: No such file or directory",
        place=("attention.cu", 3),
    ),
    Sample(
        "ptxas",
        C,
        logs.PTXAS,
        "compile",
        "error: Entry function '_Z4gemmPKfS0_Pf' uses too much shared data "
        "(0x12000 bytes, 0xc000 max)",
    ),
    Sample(
        "ptxas, larger",
        C,
        logs.PTXAS_OTHER,
        "compile",
        "error: Entry function '_Z4gemmPKfS0_Pf' uses too much shared data "
        "(0x19400 bytes, 0xc000 max)",
        same_as="ptxas",
    ),
    Sample(
        "linker",
        C,
        logs.LINKER,
        "compile",
        "error: undefined reference to `cublasSgemm_v2'",
        hint="name cublas in the solution's dependencies",
    ),
    Sample(
        "compiler output as bytes",
        C,
        logs.BYTES_OUTPUT,
        "compile",
        'k.cu:7: error: expected a ";"',
        place=("/scratch/b/k.cu", 7),
    ),
    Sample(
        "compiler out of memory",
        C,
        logs.COMPILER_MEMORY,
        "machine",
        "the compiler ran out of memory",
    ),
    Sample(
        "triton",
        R,
        logs.TRITON,
        "triton",
        "module 'triton.language.math' has no attribute 'rsqrtt'",
    ),
    Sample(
        "triton from another exception",
        R,
        logs.TRITON_CHAINED,
        "triton",
        "ValueError: arange's range must be a power of 2",
    ),
    Sample(
        "mlir",
        R,
        logs.MLIR,
        "compile",
        "main.py:57: error: 'tt.dot' op expected the last dimension of A and the second of B to "
        "be equal",
        place=("main.py", 57),
    ),
    Sample(
        "shared memory",
        R,
        logs.SHARED,
        "exception",
        "OutOfResources: out of resource: shared memory, Required: 262144, Hardware limit: 232448. "
        "Reducing block sizes or `num_stages` may help.",
        place=("main.py", 70),
    ),
    Sample(
        "illegal access",
        R,
        logs.ILLEGAL,
        "device",
        "AcceleratorError: CUDA error: an illegal memory access was encountered",
        place=("main.py", 22),
    ),
    Sample(
        "illegal access by triton",
        R,
        logs.ILLEGAL_TRITON,
        "device",
        "RuntimeError: Triton Error [CUDA]: an illegal memory access was encountered",
        same_as="illegal access",
    ),
    Sample(
        "illegal access by code",
        R,
        logs.ILLEGAL_CODE,
        "device",
        'CUDA error at main.cu:140 code=700(cudaErrorIllegalAddress) "cudaDeviceSynchronize()"',
        same_as="illegal access",
    ),
    Sample(
        "misaligned", R, logs.MISALIGNED, "device", "RuntimeError: CUDA error: misaligned address"
    ),
    Sample(
        "no kernel image",
        R,
        logs.NO_IMAGE,
        "device",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        hint="it was compiled for another GPU architecture",
        place=("main.py", 9),
    ),
    Sample(
        "device assertion",
        R,
        logs.ASSERTED,
        "device",
        "RuntimeError: CUDA error: device-side assert triggered",
        place=("main.py", 14),
    ),
    Sample(
        "out of memory",
        R,
        logs.OOM,
        "memory",
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total "
        "capacity of 139.81 GiB of which 3.12 GiB is free.",
        place=("main.py", 8),
    ),
    Sample(
        "out of memory elsewhere",
        R,
        logs.OOM_OTHER,
        "memory",
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 GiB. GPU 5 has a total "
        "capacity of 139.81 GiB of which 3.12 GiB is free.",
        place=("main.py", 8),
        same_as="out of memory",
    ),
    Sample(
        "out of the host's memory",
        R,
        logs.OOM_HOST,
        "memory",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 70368744177664 bytes. Error code 12 "
        "(Cannot allocate memory)",
        place=("main.py", 5),
    ),
    Sample(
        "timeout", "TIMEOUT", logs.TIMEOUT, "timeout", "the first call did not finish within 60 s"
    ),
    Sample(
        "longer timeout",
        "TIMEOUT",
        logs.TIMEOUT_OTHER,
        "timeout",
        "the first call did not finish within 300 s",
        same_as="timeout",
    ),
    Sample(
        "signal",
        R,
        logs.SEGV,
        "signal",
        "the process was killed by SIGSEGV during first call",
    ),
    Sample(
        "signal by number",
        R,
        logs.SEGV_UPSTREAM,
        "signal",
        "Worker process died unexpectedly (exit code: -11)",
        same_as="signal",
    ),
    Sample("what()", R, logs.ABORTED, "exception", "Expected tensor on cuda:3 but got cpu"),
    Sample(
        "missing module",
        R,
        logs.MODULE,
        "missing",
        "ModuleNotFoundError: No module named 'flash_attn'",
        place=("main.py", 2),
    ),
    Sample(
        "missing module in a BuildError",
        C,
        logs.MODULE_UPSTREAM,
        "missing",
        "ModuleNotFoundError: No module named 'flash_attn.layers'",
        place=("/home/ada/.cache/flashinfer_bench/py_77/kernel.py", 5),
        same_as="missing module",
    ),
    Sample(
        "undefined symbol",
        R,
        logs.SYMBOL,
        "exception",
        "OSError: /home/ada/.cache/fitui/build/3ab9/library.so: undefined symbol: cublasCreate_v2",
        hint="name cublas in the solution's dependencies",
    ),
    Sample(
        "arity",
        R,
        logs.ARITY,
        "arity",
        "TypeError: run() takes 3 positional arguments but 4 were given",
        hint="try destination_passing_style=false",
    ),
    Sample(
        "arity by upstream",
        C,
        logs.ARITY_UPSTREAM,
        "arity",
        "BuildError: Destination-passing style callable: expected 8 parameters, but got 6",
        hint="try destination_passing_style=false",
        same_as="arity",
    ),
    Sample(
        "arity by tvm-ffi",
        R,
        logs.ARITY_FFI,
        "arity",
        "TypeError: Mismatched number of arguments when calling: `run(0: Tensor, 1: Tensor) -> "
        "Tensor`. Expected 2 but got 3 arguments",
        hint="try destination_passing_style=false",
        same_as="arity",
    ),
    Sample(
        "arity the other way",
        R,
        logs.ARITY_OTHER_WAY,
        "arity",
        "TypeError: kernel() missing 1 required positional argument: 'output'",
        hint="try destination_passing_style=true",
    ),
    Sample(
        "arity of an own function",
        R,
        logs.ARITY_INSIDE,
        "exception",
        "TypeError: _norm() takes 3 positional arguments but 4 were given",
        place=("main.py", 12),
    ),
    Sample(
        "tensor dump",
        R,
        logs.DUMPED,
        "exception",
        "ValueError: values out of range: tensor(…)",
        place=("main.py", 30),
    ),
    Sample(
        "another tensor dump",
        R,
        logs.DUMPED_OTHER,
        "exception",
        "ValueError: values out of range: tensor(…)",
        place=("main.py", 30),
        same_as="tensor dump",
    ),
    Sample(
        "shapes",
        R,
        logs.SHAPES,
        "exception",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4096x128 and 64x4096)",
        place=("main.py", 3),
    ),
    Sample(
        "other shapes",
        R,
        logs.SHAPES_OTHER,
        "exception",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x256 and 64x4096)",
        place=("main.py", 77),
        same_as="shapes",
    ),
    Sample(
        "while handling another",
        R,
        logs.HANDLED,
        "exception",
        "ValueError: head_dim 96 is not supported",
        place=("plans.py", 40),
    ),
    Sample(
        "bare assertion",
        R,
        logs.ASSERTION,
        "exception",
        "AssertionError: assert x.is_contiguous()",
        place=("main.py", 6),
    ),
    Sample(
        "syntax", R, logs.SYNTAX, "exception", "SyntaxError: invalid syntax", place=("main.py", 17)
    ),
    Sample(
        "before a finaliser",
        R,
        logs.FINALISER,
        "exception",
        "RuntimeError: no plan fits",
        place=("main.py", 4),
    ),
    Sample(
        "wrong shape",
        "INCORRECT_SHAPE",
        logs.WRONG_SHAPE,
        "shape",
        "y has shape [16, 4096] instead of [16, 2048]",
    ),
    Sample(
        "another wrong shape",
        "INCORRECT_SHAPE",
        logs.WRONG_SHAPE_OTHER,
        "shape",
        "y has shape [1, 1, 128] instead of [1, 128]",
        same_as="wrong shape",
    ),
    Sample(
        "wrong dtype",
        "INCORRECT_DTYPE",
        logs.WRONG_DTYPE,
        "dtype",
        "y is float32 instead of bfloat16",
    ),
    Sample("silence", R, "", "other", "runtime error, and the log says nothing"),
    Sample("silent compiler", C, "\n\n", "other", "compile error, and the log says nothing"),
)
