#pragma once

#include <string>
#include <string_view>

// The kernels that nvcc compiled into this program. Its code registers them before main(), by the
// host function that stands for each.

namespace switchyard::kernels::xray {

struct CompiledKernel {
  const void* binary = nullptr;  ///< the fat binary that it lies in: what nvcc registered
  const char* name = nullptr;    ///< mangled
};

void note_fat_binary(const void* handle, const void* binary);
void note_kernel(const void* handle, const void* host_function, const char* name);

/// Null for a function that stands for no kernel.
const CompiledKernel* find_kernel(const void* host_function);

/// The PTX in a fat binary, which lies there uncompressed (nvcc -no-compress). Errors: Error where
/// there is none.
std::string_view ptx_of(const void* binary);

}  // namespace switchyard::kernels::xray
