#pragma once

#include <string>

namespace switchyard::kernels {

/// From now on no library of the toolkit is opened: where the device is none of NVIDIA's GPUs
/// (kernels/xray/runtime) they have nothing to run on.
void forbid_library_calls();
bool library_calls_allowed();

/// A library of the CUDA toolkit, opened at its first use and never closed. cuBLAS and cuDNN bring
/// hundreds of megabytes that a program which runs on the CPU should not map at its start.
class SharedLibrary {
 public:
  /// Looks for `file` ("libcublas.so.13") where the loader looks, then in `folder`, where the build
  /// found it. Errors: CudaError with `title` ("cuBLAS") and the loader's reason; Refusal after
  /// forbid_library_calls().
  SharedLibrary(std::string title, std::string file, const std::string& folder);

  /// Sets `function` to the symbol `name`. Its type comes from the library's header. Errors:
  /// CudaError naming both.
  template <class Function>
  void load(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;

  std::string title_;
  std::string file_;
  void* handle_ = nullptr;
};

}  // namespace switchyard::kernels
