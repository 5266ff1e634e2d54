#pragma once

#include <string_view>

// An executor runs kernels. The kernels of kernels/api are the same for all of them; the three
// below are what the engine names. Cuda and Simt are complete in their own headers: who only passes
// them on needs neither CUDA's headers nor the executor's.

namespace switchyard::kernels {

/// Runs kernels on the host with kernels/cpu: vector loops over OpenMP threads, oneDNN for float32
/// convolutions and matrix products.
struct Cpu {
  /// If true, results have the same bits for any thread count: library calls whose summation order
  /// depends on it run in a fixed number of single-threaded chunks, added in order. Off: same bits
  /// for the same thread count.
  bool reproducible = false;
};

struct Cuda;  // kernels/cuda/stream.h: a stream of a GPU
struct Simt;  // kernels/simt/run_grid.h: the CUDA kernels, thread by thread on the host

/// The executor's device, as users name it.
template <class Exec>
inline constexpr std::string_view kDeviceName = {};
template <>
inline constexpr std::string_view kDeviceName<Cpu> = "cpu";
template <>
inline constexpr std::string_view kDeviceName<Cuda> = "cuda";
template <>
inline constexpr std::string_view kDeviceName<Simt> = "simt";

}  // namespace switchyard::kernels
