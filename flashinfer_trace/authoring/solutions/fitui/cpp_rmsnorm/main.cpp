// RMS normalisation on the CPU, one row after another, in loops that a compiler makes vector
// instructions of.

#include <tvm/ffi/function.h>

#include <cmath>
#include <cstring>

#include "tensors.h"

constexpr int HIDDEN_SIZE = 128;
constexpr float EPSILON = 1e-6;

constexpr int LANES = 16;  // sums side by side: the additions of one have an order that is kept
static_assert(HIDDEN_SIZE % LANES == 0);

using Bits = uint16_t;  // of a bfloat16: the upper half of a float's

inline float widen(Bits bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// To the nearest bfloat16, and of two equally near ones to the even one.
inline Bits narrow(float value) {
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  const uint32_t rounded = (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;
  return value == value ? rounded : 0x7fc0;  // rounding could carry a NaN over to zero
}

void normalise(const Bits* row, const float* weight, Bits* output) {
  float values[HIDDEN_SIZE];
  float squares[LANES] = {};
  for (int i = 0; i < HIDDEN_SIZE; i += LANES) {
    for (int lane = 0; lane < LANES; ++lane) {
      const float value = widen(row[i + lane]);
      values[i + lane] = value;
      squares[lane] += value * value;
    }
  }
  float sum = 0;
  for (float square : squares) sum += square;
  const float scale = 1 / std::sqrt(sum / HIDDEN_SIZE + EPSILON);
  for (int i = 0; i < HIDDEN_SIZE; ++i) output[i] = narrow(values[i] * scale * weight[i]);
}

void rmsnorm(TensorView hidden_states, TensorView weight, TensorView output) {
  const DLDevice cpu{kDLCPU, 0};
  const int64_t batch_size = hidden_states.size(0);
  require("hidden_states", hidden_states, BFLOAT16, {batch_size, HIDDEN_SIZE}, cpu);
  require("weight", weight, BFLOAT16, {HIDDEN_SIZE}, cpu);
  require("output", output, BFLOAT16, {batch_size, HIDDEN_SIZE}, cpu);
  float factors[HIDDEN_SIZE];
  for (int i = 0; i < HIDDEN_SIZE; ++i) factors[i] = widen(data<Bits>(weight)[i]);
  for (int64_t row = 0; row < batch_size; ++row) {
    normalise(data<Bits>(hidden_states) + row * HIDDEN_SIZE, factors,
              data<Bits>(output) + row * HIDDEN_SIZE);
  }
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, rmsnorm);
