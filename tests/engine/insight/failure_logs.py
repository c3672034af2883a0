"""Logs of failed evaluations as runners and compilers write them."""

from __future__ import annotations

_UPSTREAM = "/opt/conda/lib/python3.11/site-packages/flashinfer_bench"

NVCC_OURS = """\
kernel.cu:88: error: identifier "tma_load" is undefined
== nvcc kernel.cu
kernel.cu(12): warning #177-D: variable "lane" was declared but never referenced
kernel.cu(88): error: identifier "tma_load" is undefined

kernel.cu(91): error: expected a ";"

2 errors detected in the compilation of "kernel.cu".
"""

NVCC_WRAPPED = f"""\
Failed to build CUDA solution
Traceback (most recent call last):
  File "/opt/conda/lib/python3.11/site-packages/torch/utils/cpp_extension.py", line 2597, in _run
    subprocess.run(
  File "/opt/conda/lib/python3.11/subprocess.py", line 571, in run
    raise CalledProcessError(retcode, process.args,
subprocess.CalledProcessError: Command '['ninja', '-v']' returned non-zero exit status 1.

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{_UPSTREAM}/compile/builders/torch_builder.py", line 118, in build
    module = load(name=key, sources=paths)
RuntimeError: Error building extension 'fib_cuda_9f3a1c': [1/3] nvcc -MD -c main.cu
FAILED: main.cuda.o
/usr/local/cuda/bin/nvcc -gencode=arch=compute_90a,-c /home/ada/.cache/fib/9f3a1c/main.cu
/home/ada/.cache/fib/9f3a1c/main.cu(31): error: identifier "tma_load" is undefined
      tma_load(smem, desc);
      ^

1 error detected in the compilation of "/home/ada/.cache/fib/9f3a1c/main.cu".
ninja: build stopped: subcommand failed.

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{_UPSTREAM}/bench/runner/persistent_runner.py", line 705, in _persistent_worker_main
    runnable_sol = registry.build(definition, solution)
flashinfer_bench.compile.builder.BuildError: Failed to build solution cuda_opus_7: Error building
"""

GXX = """\
/scratch/tmpa81k2j9x/binding.cpp: In function 'void run(tvm::ffi::TensorView)':
/scratch/tmpa81k2j9x/binding.cpp:14:7: error: 'launch_rmsnorm' was not declared in this scope
   14 |       launch_rmsnorm(x.data_ptr());
      |       ^~~~~~~~~~~~~~
g++: fatal error: no input files
compilation terminated.
"""

HEADER_OURS = """\
attention.cu:3: error: cutlass/cutlass.h: No such file or directory
== nvcc attention.cu
attention.cu:3:10: fatal error: cutlass/cutlass.h: No such file or directory
    3 | #include <cutlass/cutlass.h>
      |          ^~~~~~~~~~~~~~~~~~~
compilation terminated.
"""

PTXAS = """\
== nvcc gemm.cu
ptxas error   : Entry function '_Z4gemmPKfS0_Pf' uses too much shared data \
(0x12000 bytes, 0xc000 max)
"""

PTXAS_OTHER = PTXAS.replace("0x12000", "0x19400").replace("gemm.cu", "kernel.cu")

LINKER = """\
== link
/usr/bin/ld: /scratch/cc8fJ2.o: in function `run(float*, int)':
main.cpp:(.text+0x1f): undefined reference to `cublasSgemm_v2'
collect2: error: ld returned 1 exit status
"""

BYTES_OUTPUT = (
    'RuntimeError: ninja: b\'[1/2] nvcc -c k.cu\\n/scratch/b/k.cu(7): error: expected a ";"\\n'
    "1 error detected'\n"
)

TRITON = """\
CompilationError: at 9:20: (in first call)
Traceback (most recent call last):
  File "main.py", line 41, in run
    rmsnorm_kernel[grid](x, w, y, n, BLOCK=block)
triton.compiler.errors.CompilationError: at 9:20:
def rmsnorm_kernel(x, w, y, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n
    v = tl.load(x + row * n + offs, mask=mask, other=0.0)
    scale = tl.load(w + offs, mask=mask)
    v = v.to(tl.float32)
    var = tl.sum(v * v) / n
    out = v * tl.math.rsqrtt(var)
                    ^
module 'triton.language.math' has no attribute 'rsqrtt'
"""

TRITON_CHAINED = f"""\
Traceback (most recent call last):
  File "/opt/conda/lib/python3.11/site-packages/triton/language/core.py", line 43, in wrapper
    return fn(*args, **kwargs)
  File "/opt/conda/lib/python3.11/site-packages/triton/language/core.py", line 1620, in arange
    return _semantic.arange(start, end)
ValueError: arange's range must be a power of 2

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{_UPSTREAM}/bench/evaluators/default.py", line 88, in run
    out = runnable(*inputs)
  File "/home/ada/.cache/flashinfer_bench/py_12fa/main.py", line 33, in run
    softmax_kernel[(rows,)](x, y, cols, BLOCK=cols)
triton.compiler.errors.CompilationError: at 4:11:
def softmax_kernel(x, y, cols, BLOCK: tl.constexpr):
    pid = tl.program_id(0)

    offs = tl.arange(0, BLOCK)
           ^
"""

MLIR = """\
main.py:57:22: error: 'tt.dot' op expected the last dimension of A and the second of B to be equal
Traceback (most recent call last):
  File "main.py", line 80, in run
    k[grid](a, b, c)
RuntimeError: PassManager::run failed
"""

SHARED = """\
Traceback (most recent call last):
  File "main.py", line 70, in run
    attn[grid](q, k, v, o, BLOCK_M=128)
triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 262144, \
Hardware limit: 232448. Reducing block sizes or `num_stages` may help.
"""

ILLEGAL = """\
AcceleratorError: CUDA error: an illegal memory access was encountered (in first call)
Traceback (most recent call last):
  File "main.py", line 22, in run
    torch.cuda.synchronize()
torch.AcceleratorError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below
might be incorrect.
"""

ILLEGAL_TRITON = f"""\
Traceback (most recent call last):
  File "{_UPSTREAM}/bench/runner/isolated_runner.py", line 210, in run
    evaluation = evaluator.evaluate()
RuntimeError: Triton Error [CUDA]: an illegal memory access was encountered
"""

ILLEGAL_CODE = (
    'CUDA error at main.cu:140 code=700(cudaErrorIllegalAddress) "cudaDeviceSynchronize()"\n'
)

MISALIGNED = "RuntimeError: CUDA error: misaligned address\n"

NO_IMAGE = """\
Traceback (most recent call last):
  File "main.py", line 9, in run
    ext.run(x, y)
RuntimeError: CUDA error: no kernel image is available for execution on the device
"""

ASSERTED = """\
/pytorch/aten/src/ATen/native/cuda/IndexKernel.cu:94: operator(): block: [3,0,0], thread: [64,0,0] \
Assertion `-sizes[i] <= index && index < sizes[i] && "index out of bounds"` failed.
Traceback (most recent call last):
  File "main.py", line 14, in run
    y = cache[pages]
RuntimeError: CUDA error: device-side assert triggered
"""

OOM = """\
out of memory during first call: OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.
Traceback (most recent call last):
  File "main.py", line 8, in run
    s = q @ k.transpose(-1, -2)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total \
capacity of 139.81 GiB of which 3.12 GiB is free.
"""

OOM_OTHER = OOM.replace("20.00", "512.00").replace("GiB.\n", "MiB.\n").replace("GPU 0", "GPU 5")

OOM_HOST = """\
Traceback (most recent call last):
  File "main.py", line 5, in run
    table = torch.empty(1 << 44)
RuntimeError: [enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate \
memory: you tried to allocate 70368744177664 bytes. Error code 12 (Cannot allocate memory)
"""

TIMEOUT = "the first call did not finish within 60 s\n"
TIMEOUT_OTHER = """\
the first call did not finish within 300 s
--- printed by the solution ---
x.cu:1: error: a
"""

SEGV = "the process was killed by SIGSEGV during first call\n"
SEGV_UPSTREAM = (
    "Worker process died unexpectedly (exit code: -11)\nFatal Python error: Segmentation fault\n"
)

ABORTED = """\
terminate called after throwing an instance of 'c10::Error'
  what():  Expected tensor on cuda:3 but got cpu
the process was killed by SIGABRT during first call
"""

MODULE = """\
ModuleNotFoundError: No module named 'flash_attn' (in load)
Traceback (most recent call last):
  File "main.py", line 2, in <module>
    from flash_attn import flash_attn_func
ModuleNotFoundError: No module named 'flash_attn'
"""

MODULE_UPSTREAM = f"""\
Traceback (most recent call last):
  File "{_UPSTREAM}/compile/builders/python_builder.py", line 61, in build
    mod = importlib.import_module(name)
  File "/home/ada/.cache/flashinfer_bench/py_77/kernel.py", line 5, in <module>
    import flash_attn.layers.rotary
ModuleNotFoundError: No module named 'flash_attn.layers'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{_UPSTREAM}/compile/registry.py", line 115, in build
    runnable = builder.build(definition, solution)
flashinfer_bench.compile.builder.BuildError: Failed importing module from sources
"""

SYMBOL = """\
Traceback (most recent call last):
  File "/opt/conda/lib/python3.11/site-packages/tvm_ffi/module.py", line 300, in load_module
    return _ffi_api.ModuleLoadFromFile(path)
OSError: /home/ada/.cache/fitui/build/3ab9/library.so: undefined symbol: cublasCreate_v2
"""

ARITY = "TypeError: run() takes 3 positional arguments but 4 were given (in first call)\n"

ARITY_UPSTREAM = f"""\
BuildError: Destination-passing style callable: expected 8 parameters, but got 6

Traceback:
Traceback (most recent call last):
  File "{_UPSTREAM}/bench/runner/persistent_runner.py", line 705, in _persistent_worker_main
    runnable_sol = registry.build(definition, solution)
  File "{_UPSTREAM}/compile/builder.py", line 201, in _check
    raise BuildError(text)
flashinfer_bench.compile.builder.BuildError: Destination-passing style callable: expected 8 \
parameters, but got 6
"""

ARITY_FFI = """\
TypeError: Mismatched number of arguments when calling: `run(0: Tensor, 1: Tensor) -> Tensor`. \
Expected 2 but got 3 arguments
"""

ARITY_OTHER_WAY = "TypeError: kernel() missing 1 required positional argument: 'output'\n"

ARITY_INSIDE = """\
Traceback (most recent call last):
  File "main.py", line 12, in run
    return _norm(x, w, eps, y)
TypeError: _norm() takes 3 positional arguments but 4 were given
"""

DUMPED = """\
Traceback (most recent call last):
  File "main.py", line 30, in run
    check(y)
ValueError: values out of range: tensor([[ 0.1123, -1.2250,  3.5000],
        [ 7.2500,  0.0000, -0.5000]], device='cuda:1', dtype=torch.float16)
--- printed by the solution ---
tensor([[1., 2.]])
"""

DUMPED_OTHER = DUMPED.replace("0.1123", "9.9900").replace("cuda:1", "cuda:0")

SHAPES = """\
Traceback (most recent call last):
  File "main.py", line 3, in run
    return x @ x
RuntimeError: mat1 and mat2 shapes cannot be multiplied (4096x128 and 64x4096)
"""

SHAPES_OTHER = SHAPES.replace("4096x128", "16x256").replace("line 3", "line 77")

HANDLED = """\
Traceback (most recent call last):
  File "main.py", line 8, in run
    plan = _PLANS[x.shape]
KeyError: torch.Size([16, 4096])

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 11, in run
    plan = make_plan(x)
  File "plans.py", line 40, in make_plan
    raise ValueError(f"head_dim {d} is not supported")
ValueError: head_dim 96 is not supported
"""

ASSERTION = """\
Traceback (most recent call last):
  File "main.py", line 6, in run
    assert x.is_contiguous()
AssertionError
"""

SYNTAX = """\
Traceback (most recent call last):
  File "<frozen importlib._bootstrap_external>", line 936, in exec_module
  File "main.py", line 17
    y = x +
           ^
SyntaxError: invalid syntax
"""

WRONG_SHAPE = "y has shape [16, 4096] instead of [16, 2048]\n"
WRONG_SHAPE_OTHER = "y has shape [1, 1, 128] instead of [1, 128]\n"
WRONG_DTYPE = "y is float32 instead of bfloat16\n"

FINALISER = """\
Traceback (most recent call last):
  File "main.py", line 4, in run
    raise RuntimeError("no plan fits")
RuntimeError: no plan fits
Exception ignored in: <function Pool.__del__ at 0x7f0c12ab40>
Traceback (most recent call last):
  File "/usr/lib/python3.11/multiprocessing/pool.py", line 271, in __del__
    self._change_notifier.put(None)
AttributeError: 'NoneType' object has no attribute 'put'
"""

COMPILER_MEMORY = """\
the compiler ran out of memory (limit 8 GiB)
== nvcc kernel.cu
cc1plus: out of memory allocating 65536 bytes after a total of 8589934592 bytes
"""
