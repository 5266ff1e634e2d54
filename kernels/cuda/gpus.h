#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// These functions say which GPUs there are. No CUDA header is needed to ask.

namespace switchyard::kernels {

struct Gpu {
  int index = 0;
  std::string name;
  int major = 0;  ///< compute capability
  int minor = 0;
  std::size_t memory_bytes = 0;
  int multiprocessors = 0;
  std::string unusable;  ///< why this build's kernels do not run on it; empty where they do
};

struct GpuSurvey {
  std::string reason;       ///< why there are no GPUs; empty where there are
  int driver_version = 0;   ///< newest CUDA that the driver speaks, as 13000; 0: no driver
  int runtime_version = 0;  ///< the CUDA runtime in this build
  std::vector<Gpu> gpus;
};

/// Asks the driver, which is loaded for it. Does not throw.
GpuSurvey survey_gpus();

/// Says why GPU 0, the one that the engine uses, cannot be used; empty where it can.
std::string unavailable_reason(const GpuSurvey& survey);

/// "13.0" of 13000.
std::string cuda_version_text(int version);

/// "NVIDIA H100 80GB HBM3, 79.1 GiB, compute capability 9.0, 132 multiprocessors".
std::string description(const Gpu& gpu);

/// Returns the architectures that this build's kernels are compiled for, as CMake names them.
std::string_view compiled_architectures();

}  // namespace switchyard::kernels
