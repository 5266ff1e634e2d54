#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace switchyard {

/// All bytes of a regular file. Error naming the path and the reason where it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// A file that appears under its name complete or not at all. Bytes go to a temporary file in the
/// same directory; commit() flushes it to the disk and renames it over `path`. Until then, and
/// after any failure or kill, the previous file under that name is untouched. The destructor
/// removes the temporary file of a write that was not committed.
///
/// Every failure is an Error that names the path and the reason ("No space left on device").
class AtomicFile {
 public:
  /// Error where the directory is missing or not writable, or `path` exists and is no regular file
  /// (a device such as /dev/null is never replaced).
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void commit();

 private:
  [[noreturn]] void fail(std::string_view what, int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

/// Replaces the file at `path` by `text` through AtomicFile.
void write_file_atomic(const std::filesystem::path& path, std::string_view text);

/// Creates `path` and its missing parents for a program's output. UsageError where it is a file,
/// cannot be created or written, or holds entries although `allow_existing` is false.
void make_output_directory(const std::filesystem::path& path, bool allow_existing);

}  // namespace switchyard
