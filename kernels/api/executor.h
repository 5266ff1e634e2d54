#pragma once

namespace switchyard::kernels {

/// Runs kernels on the host with kernels/cpu: vector loops over OpenMP threads, oneDNN for float32
/// convolutions and matrix products.
struct Cpu {
  /// Same bits for any thread count: library calls whose summation order depends on it run in a
  /// fixed number of single-threaded chunks, added in order. Off: same bits for the same thread
  /// count.
  bool reproducible = false;
};

}  // namespace switchyard::kernels
