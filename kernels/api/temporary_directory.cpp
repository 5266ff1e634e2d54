#include "kernels/api/temporary_directory.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <system_error>

#include "kernels/api/error.h"

namespace switchyard {

TemporaryDirectory::TemporaryDirectory() {
  // mkdtemp() puts letters of its own in the place of the six X.
  std::string name = (std::filesystem::temp_directory_path() / "switchyard-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(fmt::format("cannot make a folder {}: {}", name,
                            std::error_code(errno, std::generic_category()).message()));
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace switchyard
