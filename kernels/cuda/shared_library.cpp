#include "kernels/cuda/shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "kernels/cuda/stream.h"

namespace switchyard::kernels {
namespace {

bool is_forbidden = false;

}  // namespace

void forbid_library_calls() { is_forbidden = true; }
bool library_calls_allowed() { return !is_forbidden; }

SharedLibrary::SharedLibrary(std::string title, std::string file, const std::string& folder)
    : title_(std::move(title)), file_(std::move(file)) {
  if (is_forbidden) throw Refusal(fmt::format("{} is left out on this device", title_));
  handle_ = dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string reason = handle_ == nullptr ? dlerror() : "";
  if (handle_ == nullptr) {
    handle_ = dlopen((folder + "/" + file_).c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  if (handle_ == nullptr) {
    throw CudaError(fmt::format("{} cannot be loaded: {}", title_, reason));
  }
}

void* SharedLibrary::symbol(const char* name) const {
  void* const address = dlsym(handle_, name);
  if (address == nullptr) {
    throw CudaError(fmt::format("{} ({}) has no function {}", title_, file_, name));
  }
  return address;
}

}  // namespace switchyard::kernels
