// Residual addition and RMS normalisation, a block for each row: the sum of the two stays in
// registers, in float32.

// The headers are those that it uses: torch/extension.h, with everything, takes minutes to compile.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>
#include <torch/csrc/utils/pybind.h>

constexpr int HIDDEN_SIZE = 4096;
constexpr float EPSILON = 1e-5;

constexpr int THREADS = HIDDEN_SIZE / 8;
static_assert(THREADS % 32 == 0 && THREADS <= 1024 && HIDDEN_SIZE % 8 == 0);

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

__device__ float block_sum(float value) {
  __shared__ float sums[THREADS / 32];
  for (int offset = 16; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffff, value, offset);
  }
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
  for (float sum : sums) value += sum;
  return value;
}

__global__ void __launch_bounds__(THREADS)
    add_and_normalise(const Vector* __restrict__ hidden_states, const Vector* __restrict__ residual,
                      const Vector* __restrict__ weight, Vector* __restrict__ output) {
  const int64_t place = blockIdx.x * int64_t{THREADS} + threadIdx.x;
  const Vector x = hidden_states[place], r = residual[place], factors = weight[threadIdx.x];
  float2 totals[4];
  float squares = 0;
  for (int i = 0; i < 4; ++i) {
    const float2 a = unpack(x.pairs[i]), b = unpack(r.pairs[i]);
    totals[i] = make_float2(a.x + b.x, a.y + b.y);
    squares += totals[i].x * totals[i].x + totals[i].y * totals[i].y;
  }
  const float scale = rsqrtf(block_sum(squares) / HIDDEN_SIZE + EPSILON);
  Vector result;
  for (int i = 0; i < 4; ++i) {
    const float2 w = unpack(factors.pairs[i]);
    result.pairs[i] = pack(totals[i].x * scale * w.x, totals[i].y * scale * w.y);
  }
  output[place] = result;
}

void require(const char* name, const at::Tensor& tensor, at::IntArrayRef shape, at::Device device) {
  TORCH_CHECK_TYPE(tensor.scalar_type() == at::kBFloat16, name, " must be bfloat16, not ",
                   tensor.scalar_type());
  TORCH_CHECK_VALUE(tensor.sizes() == shape, name, " must have shape ", shape, ", not ",
                    tensor.sizes());
  TORCH_CHECK_VALUE(tensor.device() == device, name, " must be on ", device, ", not on ",
                    tensor.device());
  TORCH_CHECK_VALUE(tensor.is_contiguous(), name, " must be contiguous");
  TORCH_CHECK_VALUE(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 16 == 0, name,
                    " must begin at a multiple of 16 bytes");
}

Vector* vectors(const at::Tensor& tensor) { return static_cast<Vector*>(tensor.data_ptr()); }

at::Tensor fused_add_rmsnorm(at::Tensor hidden_states, at::Tensor residual, at::Tensor weight) {
  const int64_t batch_size = hidden_states.size(0);
  const at::Device device = hidden_states.device();
  TORCH_CHECK_VALUE(device.is_cuda(), "the tensors must be on a GPU, not on ", device);
  require("hidden_states", hidden_states, {batch_size, HIDDEN_SIZE}, device);
  require("residual", residual, {batch_size, HIDDEN_SIZE}, device);
  require("weight", weight, {HIDDEN_SIZE}, device);
  at::Tensor output = at::empty_like(hidden_states);
  if (batch_size == 0) return output;
  const c10::cuda::CUDAGuard guard(device);
  add_and_normalise<<<batch_size, THREADS, 0, c10::cuda::getCurrentCUDAStream()>>>(
      vectors(hidden_states), vectors(residual), vectors(weight), vectors(output));
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return output;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) { module.def("run", &fused_add_rmsnorm); }
