#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace switchyard {

/// A file that is read front to back: a regular file, a pipe (process substitution, /dev/stdin) or
/// a device. Every failure is an Error that names the path and the reason.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Bytes of a regular file, known before any is read; nothing for a pipe or a device.
  std::optional<std::uint64_t> size() const { return size_; }
  /// Reads `count` bytes into `to` and returns how many there were: fewer only at the file's end.
  std::size_t read(void* to, std::size_t count);

 private:
  std::filesystem::path path_;
  std::optional<std::uint64_t> size_;
  int descriptor_ = -1;
};

/// No file that is read as a whole may be longer, unless the caller says so: 1 GiB.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;

/// All bytes of a file, a pipe included. Error naming the path and the reason where it cannot be
/// read or is longer than `max_bytes`; memory grows with what is there, not with what is announced.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = kMaxFileBytes);

/// Returns what is at `path`, links followed; not_found where there is nothing. Error naming the
/// path where that cannot be told: a loop of links, a directory that may not be searched, a name
/// too long.
std::filesystem::file_type file_type_at(const std::filesystem::path& path);
/// Returns whether anything is at `path`; errors as file_type_at().
bool path_exists(const std::filesystem::path& path);

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

/// The process whose AtomicFile a temporary file is, or was; nothing for other names.
std::optional<int> temporary_file_writer(const std::filesystem::path& path);

/// Replaces the file at `path` by `text` through AtomicFile.
void write_file_atomic(const std::filesystem::path& path, std::string_view text);

}  // namespace switchyard
