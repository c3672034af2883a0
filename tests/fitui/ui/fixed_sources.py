"""Sources and logs of the fixed dataset: what solutions hold, and what compilers say of them."""

from __future__ import annotations

NORM_REFERENCE = '''\
import torch


@torch.no_grad()
def run(hidden_states, weight):
    """Scale each row by the inverse of its root mean square."""
    x = hidden_states.to(torch.float32)
    scale = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5)
    return (x * scale * weight.to(torch.float32)).to(hidden_states.dtype)
'''

GEMM_REFERENCE = """\
import torch


@torch.no_grad()
def run(a, b):
    return a @ b.T
"""

DECODE_REFERENCE = """\
import torch


@torch.no_grad()
def run(q, k_cache, v_cache, kv_indptr, kv_indices, sm_scale):
    out = torch.empty_like(q)
    for row in range(q.shape[0]):
        pages = kv_indices[kv_indptr[row] : kv_indptr[row + 1]].long()
        keys = k_cache[pages, 0].float().repeat_interleave(4, dim=1)
        values = v_cache[pages, 0].float().repeat_interleave(4, dim=1)
        scores = torch.einsum("hd,nhd->hn", q[row].float(), keys) * sm_scale
        out[row] = torch.einsum("hn,nhd->hd", scores.softmax(-1), values)
    return out
"""

TORCH = """\
import torch


def run({inputs}, out):
    with torch.no_grad():
        out.copy_({call})
"""

TRITON = '''\
"""Root mean square norm: a program a row, the row in one block."""

import torch
import triton
import triton.language as tl


@triton.jit
def _norm(x_ptr, w_ptr, out_ptr, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    x = tl.load(x_ptr + row * width + column, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(x * x, axis=0) / width + 1e-5)
    weight = tl.load(w_ptr + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out_ptr + row * width + column, x * scale * weight, mask=inside)


def run(hidden_states, weight, out):
    rows, width = hidden_states.shape
    block = triton.next_power_of_2(width)
    _norm[(rows,)](hidden_states, weight, out, width, BLOCK=block, num_warps={warps})
'''

VEC4 = """\
#include <cuda_bf16.h>
#include <tvm/ffi/container/tensor.h>

namespace {

constexpr int kThreads = 256;

struct alignas(8) Vec4 {
  __nv_bfloat162 low, high;
};

__device__ float sum_of_warp(float value) {
  for (int step = 16; step > 0; step >>= 1) {
    value += __shfl_xor_sync(0xffffffff, value, step);
  }
  return value;
}

__global__ void norm(const Vec4* x, const Vec4* weight, Vec4* out, int width) {
  __shared__ float partial[kThreads / 32];
  const Vec4* row = x + static_cast<long>(blockIdx.x) * (width / 4);
  float total = 0.f;
  for (int at = threadIdx.x; at < width / 4; at += kThreads) {
    const float2 low = __bfloat1622float2(row[at].low);
    const float2 high = __bfloat1622float2(row[at].high);
    total += low.x * low.x + low.y * low.y + high.x * high.x + high.y * high.y;
  }
  total = sum_of_warp(total);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = total;
  __syncthreads();
  const float scale = rsqrtf(sum_of_block(partial) / width + 1e-5f);
  for (int at = threadIdx.x; at < width / 4; at += kThreads) {
    out[blockIdx.x * (width / 4) + at] = scaled(row[at], weight[at], scale);
  }
}

}  // namespace
"""
VEC4_LINE = 31
"""Of ``VEC4``, where what nvcc does not know stands first."""

VEC4_LOG = """\
kernel.cu:31: error: identifier "sum_of_block" is undefined
== nvcc -std=c++20 -O3 -arch=sm_90a -c kernel.cu
kernel.cu(31): error: identifier "sum_of_block" is undefined
    const float scale = rsqrtf(sum_of_block(partial) / width + 1e-5f);
                               ^

kernel.cu(33): error: identifier "scaled" is undefined
      out[blockIdx.x * (width / 4) + at] = scaled(row[at], weight[at], scale);
                                           ^

2 errors detected in the compilation of "kernel.cu".
"""

TMA = """\
#include <cuda.h>
#include "tile.cuh"

__global__ void gemm(const __grid_constant__ CUtensorMap a,
                     const __grid_constant__ CUtensorMap b, __nv_bfloat16* out) {
  extern __shared__ __align__(128) unsigned char shared[];
  Tile<128, 128, 64> tile(shared);
  for (int k = 0; k < tile.steps(); ++k) {
    tile.load(a, b, k);
    tile.multiply();
  }
  tile.store(out);
}
"""
TILE = """\
#pragma once

template <int M, int N, int K>
struct Tile {
  __device__ explicit Tile(unsigned char* shared) : a(shared), b(shared + M * K * 2) {}
  __device__ int steps() const { return kWidth / K; }
  unsigned char *a, *b;
};
"""
TMA_LOG = """\
Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/flashinfer_bench/compile/registry.py", line 115
    runnable = builder.build(definition, solution)
BuildError: Error building extension 'fib_71c0': [1/2] nvcc -c main.cu
/home/ada/.cache/fib_71c0/tile.cuh(6): error: identifier "kWidth" is undefined
          detected during instantiation of class "Tile<M, N, K> [with M=128, N=128, K=64]"
          /home/ada/.cache/fib_71c0/main.cu(7): here

1 error detected in the compilation of "main.cu".
"""

SHAPES_LOG = """\
Traceback (most recent call last):
  File "main.py", line 19, in run
    _norm[(rows,)](hidden_states, weight, out, width, BLOCK=block, num_warps=8)
  File "main.py", line 14, in _norm
RuntimeError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call.
"""

MEMORY_LOG = """\
Traceback (most recent call last):
  File "main.py", line 6, in run
    scores = torch.einsum("hd,nhd->hn", q, keys)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 38.14 GiB. GPU 0 has a total capacity\
 of 139.81 GiB of which 12.06 GiB is free.
"""

ARITY_LOG = "TypeError: run() takes 6 positional arguments but 7 were given (in first call)\n"

TIMEOUT_LOG = "the first call did not finish within 60 s; its processes were killed\n"

SHAPE_LOG = "out: shape [4096, 32] instead of [32, 4096]\n"

DTYPE_LOG = "out: dtype float32 instead of bfloat16\n"
