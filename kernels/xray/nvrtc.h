#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/common/shared_library.h"

namespace switchyard::kernels::xray {

/// NVIDIA's run-time compiler, a library that needs neither a GPU nor a driver. Its interface
/// (nvrtc.h of the toolkit) is declared in the source, so that no toolkit is needed to build this.
class Nvrtc {
 public:
  /// Opens the first of `files`. Errors: Error that says which is missing.
  explicit Nvrtc(const std::vector<std::string>& files);

  /// Compiles `text`. Returns whether that went well; `output` is the PTX, or what the compiler
  /// says.
  bool compile(const std::string& text, const std::string& file,
               const std::vector<std::string>& options, std::string& output) const;
  /// The toolkit's headers that belong to this library; none where they are not found.
  std::vector<std::filesystem::path> include_folders() const;

 private:
  struct Program;  // opaque: the library's own
  using Create = int(Program**, const char*, const char*, int, const char* const*,
                     const char* const*);
  using Compile = int(Program*, int, const char* const*);
  using Size = int(Program*, std::size_t*);
  using Text = int(Program*, char*);
  using Destroy = int(Program**);
  using ErrorText = const char*(int);

  std::string result(Program* program, Size* size, Text* take) const;
  void check(int result, const char* call) const;

  SharedLibrary library_;
  Create* create_ = nullptr;
  Compile* compile_ = nullptr;
  Size* ptx_size_ = nullptr;
  Text* ptx_ = nullptr;
  Size* log_size_ = nullptr;
  Text* log_ = nullptr;
  Destroy* destroy_ = nullptr;
  ErrorText* error_text_ = nullptr;
};

}  // namespace switchyard::kernels::xray
