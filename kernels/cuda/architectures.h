#pragma once

#include <string>
#include <string_view>

namespace switchyard::kernels {

/// Returns whether kernels compiled for `architectures` run on a GPU of compute capability
/// `major`.`minor`. The names are CMake's (CMAKE_CUDA_ARCHITECTURES), with commas between: machine
/// code, "80-real", runs on the same major number and the same or a higher minor one; PTX,
/// "90-virtual", on the same and everything later; a plain "80" is both; "90a" runs on 9.0 alone.
/// An entry that is no number ("native") is taken to run: a launch finds out.
bool runs_on(std::string_view architectures, int major, int minor);

/// "" where they run, else "compute capability 7.5 is too old: this build is compiled
/// for 8.0, 9.0".
std::string unsupported_reason(std::string_view architectures, int major, int minor);

}  // namespace switchyard::kernels
