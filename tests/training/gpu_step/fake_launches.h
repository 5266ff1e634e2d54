#pragma once

#include <map>
#include <string>

namespace switchyard::test {

/// Records what a GPU was told to do. Beside tests/kernels/cuda_runtime/fake_cuda.cpp, which stands
/// in for the rest of the CUDA runtime, this program's kernels are launched, counted and never run.
struct FakeLaunches {
  static FakeLaunches& instance();

  /// Launches by the kernel's name without namespaces and template arguments; products by cuBLAS
  /// under the name of its function.
  std::map<std::string, int> by_kernel;
  /// What each launch moves the stand-in's clock on by.
  double milliseconds = 0.0;
  void note(const std::string& kernel);

  int count() const;
  /// One line per kernel, the most frequent first: what a failing test prints.
  std::string table() const;
};

/// Lets products on the engine's GPU go to a cuBLAS that counts them and computes nothing.
void install_fake_cublas();

}  // namespace switchyard::test
