#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace switchyard::kernels {

/// A library of the CUDA toolkit, opened at its first use and never closed. cuBLAS and cuDNN bring
/// hundreds of megabytes that a program which runs on the CPU should not map at its start, and
/// NVRTC is not there on most machines.
class SharedLibrary {
 public:
  /// Opens the first of `files` that is there: a name ("libcublas.so.13") is looked for where the
  /// loader looks. Errors: Error with `title` ("cuBLAS") and the loader's reason for the first.
  SharedLibrary(std::string title, const std::vector<std::string>& files);

  /// Sets `function` to the symbol `name`. Its type comes from the library's header. Errors: Error
  /// naming library and symbol.
  template <class Function>
  void load(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(symbol(name));
  }

  /// The file that was opened.
  std::filesystem::path path() const;

 private:
  void* symbol(const char* name) const;

  std::string title_;
  std::string file_;
  void* handle_ = nullptr;
};

}  // namespace switchyard::kernels
