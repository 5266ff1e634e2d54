#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace switchyard::test {

/// Describes one entry of a tar archive.
struct ArchiveEntry {
  enum Kind { kFile, kDirectory, kSymbolicLink, kHardLink };
  std::string path;
  std::string bytes;  ///< contents, or a link's target
  Kind kind = kFile;
};

/// The entries of CIFAR-10's archive, with `records` in each file.
std::vector<ArchiveEntry> cifar10_entries(std::int64_t records);

/// Writes a .tar.gz of `entries`, in that order.
void write_archive(const std::filesystem::path& path, const std::vector<ArchiveEntry>& entries);

}  // namespace switchyard::test
