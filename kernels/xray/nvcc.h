#pragma once

#include <optional>
#include <string>
#include <vector>

namespace switchyard::kernels::xray {

/// Runs nvcc with `options` on `file`. Returns whether that went well; `output` is the PTX, or what
/// the compiler says. Errors: Error where `nvcc` cannot be started or no temporary file be made.
bool compile_with_nvcc(const std::string& nvcc, const std::string& file,
                       const std::vector<std::string>& options, std::string& output);

/// The nvcc in PATH, else in `toolkit`; nothing where there is none.
std::optional<std::string> find_nvcc(const std::string& toolkit);

}  // namespace switchyard::kernels::xray
