// Top-k sampling without sorting, a block for each row.
//
// Draw a token among all that may still be kept, in proportion to probability. If fewer than k
// tokens are more probable, it is one of the k and the answer: drawn from more tokens and taken
// only if among the k, it is distributed as if drawn from the k alone. If not, what is no more
// probable than it is not among the k either; leave that out and draw again. A second limit, in the
// middle between the drawn token and what is known to be above the k-th, makes few rounds suffice
// (the idea is that of FlashInfer's samplers, 2025). A round reads the row once. Tokens that tie
// with the k-th are all kept.

#include <tvm/ffi/function.h>

#include <atomic>
#include <random>

#include "tensors.h"

constexpr int THREADS = 1024;
constexpr unsigned ALL = 0xffffffff;  // lanes of a warp
static_assert(THREADS == 32 * 32, "a warp holds one number for each warp");

struct Shared {
  float mass[THREADS];  // of each thread's tokens, as far as they may be kept
  float warp_mass[32];
  int counts[2][32];
  int token;
};

// SplitMix64 (Steele, Lea and Flood, 2014): numbers that look random from numbers that do not.
__host__ __device__ uint64_t mix(uint64_t state) {
  state += 0x9e3779b97f4a7c15;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
  state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
  return state ^ (state >> 31);
}

template <typename Number>
__device__ Number warp_sum(Number value) {
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(ALL, value, offset);
  return value;
}

__device__ int block_sum(int value, int* sums) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  return warp_sum(sums[threadIdx.x % 32]);
}

__device__ float mass_above(float4 p, float low) {
  return (p.x > low ? p.x : 0) + (p.y > low ? p.y : 0) + (p.z > low ? p.z : 0) +
         (p.w > low ? p.w : 0);
}

__device__ int count_above(float4 p, float low) {
  return (p.x > low) + (p.y > low) + (p.z > low) + (p.w > low);
}

// Returns the lane at which the running sum of the warp's weights passes the target, and takes
// what comes before it off the target. Where rounding leaves the sum just short of the target, it
// is the last lane with a weight.
__device__ int pick(float weight, float& target) {
  float running = weight;
  for (int offset = 1; offset < 32; offset *= 2) {
    const float before = __shfl_up_sync(ALL, running, offset);
    if (threadIdx.x % 32 >= offset) running += before;
  }
  const unsigned weighs = __ballot_sync(ALL, weight > 0);
  const unsigned passed = __ballot_sync(ALL, weight > 0 && running > target);
  const int lane = passed != 0 ? __ffs(passed) - 1 : 31 - __clz(weighs | 1);
  target -= __shfl_sync(ALL, running - weight, lane);
  return lane;
}

// Returns the token more probable than `low` at which the running sum of such tokens passes the
// target, or the last of them, of `count` vectors that lie THREADS apart.
__device__ int walk(const float4* row, int vectors, int place, int count, float low, float target) {
  int token = 0;
  for (int i = 0; i < count && place < vectors; ++i, place += THREADS) {
    const float4 p = row[place];
    const float values[] = {p.x, p.y, p.z, p.w};
    for (int j = 0; j < 4; ++j) {
      if (values[j] > low) {
        token = place * 4 + j;
        if (values[j] > target) return token;
        target -= values[j];
      }
    }
  }
  return token;
}

// Draws a token more probable than `low`; `mass` is the sum of such tokens among the thread's.
// Tokens count in the order of threads, not of the row: one warp finds the warp, the thread of it,
// the part of that thread's tokens, and the token.
__device__ int draw(const float4* row, int vectors, float low, float mass, float uniform,
                    Shared& shared) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const float sum = warp_sum(mass);
  shared.mass[threadIdx.x] = mass;
  if (lane == 0) shared.warp_mass[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    float target = uniform * warp_sum(shared.warp_mass[lane]);
    const int chosen = pick(shared.warp_mass[lane], target);
    const int thread = chosen * 32 + pick(shared.mass[chosen * 32 + lane], target);
    const int part = (vectors + THREADS * 32 - 1) / (THREADS * 32);  // vectors for each lane
    float weight = 0;
    for (int i = 0; i < part; ++i) {
      const int place = (lane * part + i) * THREADS + thread;
      if (place < vectors) weight += mass_above(row[place], low);
    }
    const int begin = pick(weight, target) * part * THREADS + thread;
    shared.token = walk(row, vectors, begin, part, low, target);
  }
  __syncthreads();
  return shared.token;
}

__global__ void __launch_bounds__(THREADS)
    sample(const float4* __restrict__ probs, const int* __restrict__ top_k,
           int64_t* __restrict__ samples, int vectors, uint64_t seed) {
  __shared__ Shared shared;
  const float4* row = probs + blockIdx.x * int64_t{vectors};
  const int k = top_k[blockIdx.x];
  const bool filters = k >= 1 && k < 4 * vectors;
  float low = 0;   // what is not above it is not among the k
  float high = 1;  // fewer than k are above it
  float mass = 0;
#pragma unroll 4
  for (int i = threadIdx.x; i < vectors; i += THREADS) mass += mass_above(row[i], low);
  uint64_t state = mix(seed + blockIdx.x);
  int token;
  while (true) {
    state = mix(state);
    const float uniform = (state >> 40) * 0x1p-24f;
    token = draw(row, vectors, low, mass, uniform, shared);
    const float drawn = reinterpret_cast<const float*>(row)[token];
    if (!filters || drawn >= high) break;
    // Bits of floats that are not negative order as the floats do: half of them lie between.
    const float middle = __int_as_float((__float_as_int(drawn) + __float_as_int(high)) / 2);
    int over_drawn = 0, over_middle = 0;
    float mass_drawn = 0, mass_middle = 0;
#pragma unroll 4
    for (int i = threadIdx.x; i < vectors; i += THREADS) {
      const float4 p = row[i];
      over_drawn += count_above(p, drawn);
      over_middle += count_above(p, middle);
      mass_drawn += mass_above(p, drawn);
      mass_middle += mass_above(p, middle);
    }
    if (block_sum(over_drawn, shared.counts[0]) < k) break;
    if (block_sum(over_middle, shared.counts[1]) < k) {
      low = drawn;
      high = middle;
      mass = mass_drawn;
    } else {
      low = middle;
      mass = mass_middle;
    }
  }
  if (threadIdx.x == 0) samples[blockIdx.x] = token;
}

void top_k_sampling(TensorView probs, TensorView top_k, TensorView samples) {
  const DLDevice device = probs.device();
  const int64_t batch_size = probs.size(0), vocab_size = probs.size(1);
  require("probs", probs, FLOAT32, {batch_size, vocab_size}, device);
  require("top_k", top_k, INT32, {batch_size}, device);
  require("samples", samples, INT64, {batch_size}, device);
  if (vocab_size % 4 != 0 || vocab_size <= 0 || vocab_size > INT32_MAX) {
    TVM_FFI_THROW(ValueError) << "vocab_size must be a multiple of 4 and fit into 32 bits, not "
                              << vocab_size;
  }
  if (batch_size == 0) return;
  // Another seed for each call, and for each process.
  static std::atomic<uint64_t> calls{(uint64_t{std::random_device{}()} << 32) +
                                     std::random_device{}()};
  sample<<<batch_size, THREADS, 0, current_stream(device)>>>(
      data<float4>(probs), data<int>(top_k), data<int64_t>(samples), vocab_size / 4, mix(calls++));
  check_launch();
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, top_k_sampling);
