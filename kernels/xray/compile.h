#pragma once

#include <string>

// CUDA sources to PTX, with whatever compiler of NVIDIA's the machine has.

namespace switchyard::kernels::xray {

/// Returns the PTX of a CUDA source with its lines noted. `file` names it, in messages and in the
/// PTX; headers are looked for beside it and in the toolkit. `architecture` is such as "sm_90".
///
/// NVRTC compiles it where that library is found: the file that SWITCHYARD_NVRTC names ("none":
/// not at all), else where the loader looks, in CUDA_HOME and in /usr/local/cuda. What NVRTC
/// refuses, such as a file that includes headers of the host, goes to nvcc where that is in PATH or
/// in the same folders.
///
/// Errors: Error "FILE:LINE: what" for the first error in the source; Error that says what to
/// install where there is no compiler.
std::string compile_cuda(const std::string& text, const std::string& file,
                         const std::string& architecture);

/// The first error of a compiler's output in one line, "FILE:LINE: what"; the output's first line
/// that is not empty where it has none of a known form.
std::string first_compile_error(const std::string& output);

}  // namespace switchyard::kernels::xray
