#pragma once

#include <filesystem>
#include <optional>
#include <vector>

namespace switchyard {

/// Makes this process the only one that writes into a run's or a study's directory.
///
/// Holds an exclusive lock (flock) on the file `.owner` in the directory, in which the process and
/// its host are named. The system releases the lock when the process ends, however it ends, so a
/// kill leaves nothing that blocks the next owner. Readers need no lock: every file is replaced in
/// one step (engine/io/files.h).
class DirectoryOwner {
 public:
  /// Makes `path` with its missing parents and takes it. Temporary files that a kill left behind do
  /// not count as contents. UsageError where it is a file, holds anything else, or cannot be
  /// created or written; Error naming the owner where another process has it.
  static DirectoryOwner create(const std::filesystem::path& path);

  /// Takes an existing directory and removes the temporary files that a kill left there. Error
  /// naming the owner where another process has it; Error where it cannot be written.
  static DirectoryOwner take(const std::filesystem::path& path);

  /// Takes an existing directory as take() does; returns nothing where another process has it.
  static std::optional<DirectoryOwner> try_to_take(const std::filesystem::path& path);

  /// Gives the directory back. Directories that create() made and that are still empty go away.
  ~DirectoryOwner();
  DirectoryOwner(DirectoryOwner&& other) noexcept;
  DirectoryOwner& operator=(DirectoryOwner&&) = delete;
  DirectoryOwner(const DirectoryOwner&) = delete;
  DirectoryOwner& operator=(const DirectoryOwner&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  DirectoryOwner(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_;                                 // file descriptor; -1 when moved from
  std::vector<std::filesystem::path> made_;  // by create(), outermost first
};

}  // namespace switchyard
