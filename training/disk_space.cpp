#include "training/disk_space.h"

#include <system_error>

#include "engine/core/check.h"

namespace switchyard {

void check_disk_space(const std::filesystem::path& directory, std::uintmax_t bytes) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory, error);
  if (error) return;  // the first write will tell
  check(space.available >= bytes, "{}: the disk has {:.1f} MB left, the run needs {:.1f} MB",
        directory.string(), static_cast<double>(space.available) / 1e6,
        static_cast<double>(bytes) / 1e6);
}

}  // namespace switchyard
