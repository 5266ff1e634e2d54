#pragma once

namespace switchyard {

/// The nvcc that this program's kernels were compiled with, "13.0.48"; "" where there was none.
/// Figures of compiled kernels hold for one compiler.
extern const char* const kNvccVersion;

/// The exit code of a comparison with figures of another compiler: CMake's tests are then skipped.
inline constexpr int kOtherCompiler = 77;

}  // namespace switchyard
