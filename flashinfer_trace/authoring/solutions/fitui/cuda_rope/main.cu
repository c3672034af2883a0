// Rotary embedding of queries and keys in one launch: a block takes a token, and a thread the same
// two vectors of eight numbers in one head after another, so that it reads their angles once.

#include <cuda_bf16.h>
#include <tvm/ffi/function.h>

#include "tensors.h"

constexpr int HEAD_SIZE = 128;
constexpr int ROTARY_DIM = 64;

constexpr int VECTORS = HEAD_SIZE / 8;  // of a head
constexpr int HALF = ROTARY_DIM / 16;   // vectors of each half of what rotates
constexpr int THREADS = VECTORS / 2;    // that share a head
constexpr int MOST_HEADS = 64;          // that a block takes at once
static_assert(ROTARY_DIM % 16 == 0 && HEAD_SIZE == 2 * ROTARY_DIM);

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

struct alignas(16) Angles {
  float2 pairs[4];
};

// Turns the points (x, y), eight of them, each by its own angle.
__device__ void turn(Vector& x, Vector& y, const Angles& cosine, const Angles& sine) {
  for (int i = 0; i < 4; ++i) {
    const float2 a = unpack(x.pairs[i]), b = unpack(y.pairs[i]);
    const float2 c = cosine.pairs[i], s = sine.pairs[i];
    x.pairs[i] = pack(a.x * c.x - b.x * s.x, a.y * c.y - b.y * s.y);
    y.pairs[i] = pack(a.x * s.x + b.x * c.x, a.y * s.y + b.y * c.y);
  }
}

__global__ void __launch_bounds__(THREADS* MOST_HEADS)
    rotate(const Vector* __restrict__ q, const Vector* __restrict__ k,
           const Angles* __restrict__ table, const int64_t* __restrict__ positions,
           Vector* __restrict__ q_out, Vector* __restrict__ k_out, int q_heads, int k_heads) {
  const int64_t token = blockIdx.x;
  const int unit = threadIdx.x;
  const bool turns = unit < HALF;
  // The first threads take a vector of each half; the others two that pass through.
  const int first = turns ? unit : unit + HALF;
  const int second = first + HALF;
  Angles cosine, sine;
  if (turns) {
    const Angles* row = table + positions[token] * (2 * HALF);
    cosine = row[unit];
    sine = row[HALF + unit];
  }
  for (int head = threadIdx.y; head < q_heads + k_heads; head += blockDim.y) {
    const bool query = head < q_heads;
    const int64_t number = query ? token * q_heads + head : token * k_heads + head - q_heads;
    const Vector* from = (query ? q : k) + number * VECTORS;
    Vector* to = (query ? q_out : k_out) + number * VECTORS;
    Vector x = from[first], y = from[second];
    if (turns) turn(x, y, cosine, sine);
    to[first] = x;
    to[second] = y;
  }
}

void rope(TensorView q, TensorView k, TensorView cos_sin_cache, TensorView positions,
          TensorView q_out, TensorView k_out) {
  const DLDevice device = q.device();
  const int64_t tokens = q.size(0), q_heads = q.size(1), k_heads = k.size(1);
  require("q", q, BFLOAT16, {tokens, q_heads, HEAD_SIZE}, device);
  require("k", k, BFLOAT16, {tokens, k_heads, HEAD_SIZE}, device);
  require("cos_sin_cache", cos_sin_cache, FLOAT32, {cos_sin_cache.size(0), ROTARY_DIM}, device);
  require("positions", positions, INT64, {tokens}, device);
  require("q_out", q_out, BFLOAT16, {tokens, q_heads, HEAD_SIZE}, device);
  require("k_out", k_out, BFLOAT16, {tokens, k_heads, HEAD_SIZE}, device);
  if (tokens == 0 || q_heads + k_heads == 0) return;
  const dim3 threads(THREADS, std::min<int64_t>(q_heads + k_heads, MOST_HEADS));
  rotate<<<tokens, threads, 0, current_stream(device)>>>(
      data<Vector>(q), data<Vector>(k), data<Angles>(cos_sin_cache), data<int64_t>(positions),
      data<Vector>(q_out), data<Vector>(k_out), q_heads, k_heads);
  check_launch();
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, rope);
