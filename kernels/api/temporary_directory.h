#pragma once

#include <filesystem>
#include <string>

namespace switchyard {

/// An empty directory of this process alone, which goes away with everything in it.
class TemporaryDirectory {
 public:
  /// Errors: Error where the system's folder for temporary files takes none.
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace switchyard
