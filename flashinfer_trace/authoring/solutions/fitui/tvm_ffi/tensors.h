// What a solution bound through tvm-ffi asks of its arguments before it touches their memory.

#pragma once

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/dtype.h>
#include <tvm/ffi/error.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#include <tvm/ffi/extra/c_env_api.h>
#endif

using tvm::ffi::TensorView;

inline constexpr DLDataType BFLOAT16{kDLBfloat, 16, 1};
inline constexpr DLDataType FLOAT32{kDLFloat, 32, 1};
inline constexpr DLDataType INT32{kDLInt, 32, 1};
inline constexpr DLDataType INT64{kDLInt, 64, 1};

// A shape as Python writes a list.
template <typename Sizes>
std::string shape_text(const Sizes& sizes) {
  std::ostringstream text;
  for (int64_t size : sizes) text << (text.tellp() > 0 ? ", " : "[") << size;
  text << (text.tellp() > 0 ? "]" : "[]");
  return text.str();
}

inline std::string device_text(DLDevice device) {
  const std::string kind = device.device_type == kDLCPU    ? "cpu"
                           : device.device_type == kDLCUDA ? "cuda"
                                                           : "another kind of device";
  return kind + ":" + std::to_string(device.device_id);
}

// Throws unless the tensor has this dtype and shape, lies densely on this device and begins at a
// multiple of 16 bytes, as the widest loads want it.
inline void require(const char* name, const TensorView& tensor, DLDataType dtype,
                    const std::vector<int64_t>& shape, DLDevice device) {
  if (tensor.dtype() != dtype) {
    TVM_FFI_THROW(TypeError) << name << " must be " << dtype << ", not " << tensor.dtype();
  }
  const tvm::ffi::ShapeView found = tensor.shape();
  if (!std::equal(shape.begin(), shape.end(), found.begin(), found.end())) {
    TVM_FFI_THROW(ValueError) << name << " must have shape " << shape_text(shape) << ", not "
                              << shape_text(found);
  }
  const DLDevice place = tensor.device();
  if (place.device_type != device.device_type || place.device_id != device.device_id) {
    TVM_FFI_THROW(ValueError) << name << " must be on " << device_text(device) << ", not "
                              << device_text(place);
  }
  if (!tensor.IsContiguous()) TVM_FFI_THROW(ValueError) << name << " must be contiguous";
  if (reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 16 != 0) {
    TVM_FFI_THROW(ValueError) << name << " must begin at a multiple of 16 bytes";
  }
}

template <typename Number>
Number* data(const TensorView& tensor) {
  return static_cast<Number*>(tensor.data_ptr());
}

#ifdef __CUDACC__
// The stream that the caller works on.
inline cudaStream_t current_stream(DLDevice device) {
  if (device.device_type != kDLCUDA) TVM_FFI_THROW(ValueError) << "the tensors must be on a GPU";
  return static_cast<cudaStream_t>(TVMFFIEnvGetStream(device.device_type, device.device_id));
}

// Throws if the kernel before it could not be launched.
inline void check_launch() {
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) {
    TVM_FFI_THROW(RuntimeError) << "launch failed: " << cudaGetErrorString(status);
  }
}
#endif
