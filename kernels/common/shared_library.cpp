#include "kernels/common/shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include "kernels/api/error.h"

namespace switchyard::kernels {

SharedLibrary::SharedLibrary(std::string title, const std::vector<std::string>& files)
    : title_(std::move(title)) {
  std::string reason;
  for (const std::string& file : files) {
    file_ = file;
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return;
    const char* const why = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one per thread
    if (reason.empty() && why != nullptr) reason = why;
  }
  throw Error(fmt::format("{} cannot be loaded: {}", title_, reason));
}

std::filesystem::path SharedLibrary::path() const {
  link_map* map = nullptr;
  const bool is_known = dlinfo(handle_, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0;
  return is_known && map != nullptr ? map->l_name : file_;
}

void* SharedLibrary::symbol(const char* name) const {
  void* const address = dlsym(handle_, name);
  if (address == nullptr) {
    throw Error(fmt::format("{} ({}) has no function {}", title_, file_, name));
  }
  return address;
}

}  // namespace switchyard::kernels
