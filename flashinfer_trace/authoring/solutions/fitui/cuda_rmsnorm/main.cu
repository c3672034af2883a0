// RMS normalisation: a row is read once, reduced in registers and written once.
//
// A group of threads takes a row, in vectors of eight numbers. For narrow rows the group is a warp
// or half of one, and a block holds several; for wide ones it is a whole block.

#include <cuda_bf16.h>
#include <tvm/ffi/function.h>

#include "tensors.h"

constexpr int HIDDEN_SIZE = 4096;
constexpr float EPSILON = 1e-5;

constexpr int VECTORS = HIDDEN_SIZE / 8;             // of a row
constexpr int SHARE = VECTORS % 64 == 0 ? 2 : 1;     // of a thread
constexpr int GROUP = VECTORS / SHARE;               // threads that share a row
constexpr int WARPS = (GROUP + 31) / 32;             // that they are of
constexpr int ROWS = GROUP <= 32 ? 128 / GROUP : 1;  // of a block
static_assert(HIDDEN_SIZE % 8 == 0 && GROUP <= 1024);
static_assert(GROUP % 32 == 0 || (GROUP < 32 && (GROUP & (GROUP - 1)) == 0));

// Eight bfloat16 numbers, of which each word holds two.
struct alignas(16) Vector {
  unsigned pairs[4];
};

__device__ float2 unpack(unsigned pair) {
  return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000));
}

__device__ unsigned pack(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  return reinterpret_cast<const unsigned&>(pair);
}

__device__ float sum_of_group(float value) {
  for (int offset = (GROUP < 32 ? GROUP : 32) / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffff, value, offset);
  }
  if constexpr (WARPS > 1) {
    __shared__ float sums[WARPS];
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
    __syncthreads();
    value = 0;
    for (float sum : sums) value += sum;
  }
  return value;
}

__global__ void __launch_bounds__(GROUP* ROWS)
    normalise(const Vector* __restrict__ rows, const Vector* __restrict__ weight,
              Vector* __restrict__ output, int64_t batch_size) {
  // Threads beyond the last row do that one again: all of a warp must take part in a sum.
  const int64_t row = min(blockIdx.x * int64_t{ROWS} + threadIdx.y, batch_size - 1);
  Vector inputs[SHARE], factors[SHARE];
  float squares = 0;
  for (int i = 0; i < SHARE; ++i) {
    const int place = i * GROUP + threadIdx.x;
    inputs[i] = rows[row * VECTORS + place];
    factors[i] = weight[place];
    for (unsigned pair : inputs[i].pairs) {
      const float2 x = unpack(pair);
      squares += x.x * x.x + x.y * x.y;
    }
  }
  const float scale = rsqrtf(sum_of_group(squares) / HIDDEN_SIZE + EPSILON);
  for (int i = 0; i < SHARE; ++i) {
    Vector result;
    for (int j = 0; j < 4; ++j) {
      const float2 x = unpack(inputs[i].pairs[j]), w = unpack(factors[i].pairs[j]);
      result.pairs[j] = pack(x.x * scale * w.x, x.y * scale * w.y);
    }
    output[row * VECTORS + i * GROUP + threadIdx.x] = result;
  }
}

void rmsnorm(TensorView hidden_states, TensorView weight, TensorView output) {
  const DLDevice device = hidden_states.device();
  const int64_t batch_size = hidden_states.size(0);
  require("hidden_states", hidden_states, BFLOAT16, {batch_size, HIDDEN_SIZE}, device);
  require("weight", weight, BFLOAT16, {HIDDEN_SIZE}, device);
  require("output", output, BFLOAT16, {batch_size, HIDDEN_SIZE}, device);
  if (batch_size == 0) return;
  const dim3 blocks((batch_size + ROWS - 1) / ROWS), threads(GROUP, ROWS);
  normalise<<<blocks, threads, 0, current_stream(device)>>>(
      data<Vector>(hidden_states), data<Vector>(weight), data<Vector>(output), batch_size);
  check_launch();
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, rmsnorm);
