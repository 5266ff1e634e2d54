#include "engine/io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "engine/core/check.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBlock = std::size_t{1} << 16;

constexpr std::string_view kTemporaryPrefix = ".switchyard-";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::string reason(int error) { return std::generic_category().message(error); }

/// A name next to `path` that no other write uses, in this process or another. Its length does not
/// depend on the path's name, which may be as long as the file system allows.
fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> writes{0};
  return path.parent_path() /
         fmt::format("{}{}-{}{}", kTemporaryPrefix, ::getpid(), writes++, kTemporarySuffix);
}

/// Makes renames in a directory durable. Some file systems cannot sync a directory (EINVAL); the
/// rename itself was atomic there too.
int sync_directory(const fs::path& directory) {
  const int descriptor =
      ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  ::close(descriptor);
  return error;
}

}  // namespace

InputFile::InputFile(const fs::path& path) : path_(path) {
  check(path_.native().find('\0') == std::string::npos, "{}: a path cannot hold a NUL byte",
        one_line(path_.string()));
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  check(descriptor_ >= 0, "{}: cannot open: {}", path_.string(), reason(errno));
  struct stat status {};
  int error = ::fstat(descriptor_, &status) != 0 ? errno : 0;
  if (error == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  if (error != 0) {
    ::close(descriptor_);
    throw Error(fmt::format("{}: cannot read: {}", path_.string(), reason(error)));
  }
  if (S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

std::size_t InputFile::read(void* to, std::size_t count) {
  std::size_t filled = 0;
  while (filled < count) {
    const ssize_t got = ::read(descriptor_, static_cast<char*>(to) + filled, count - filled);
    if (got == 0) break;
    if (got > 0) filled += static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR) {
      throw Error(fmt::format("{}: cannot read: {}", path_.string(), reason(errno)));
    }
  }
  return filled;
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  InputFile file(path);
  const std::uint64_t announced = file.size().value_or(0);
  const auto too_long = [&](std::uint64_t bytes) {
    check(bytes <= max_bytes, "{}: longer than {} bytes, the limit", path.string(), max_bytes);
  };
  too_long(announced);
  std::string bytes;
  // A pipe's length shows at its end; a file may have grown, and those in /proc announce no bytes.
  for (std::size_t block = announced + 1;; block = std::max(block, kReadBlock)) {
    const std::size_t filled = bytes.size();
    bytes.resize(filled + block);
    const std::size_t got = file.read(bytes.data() + filled, block);
    bytes.resize(filled + got);
    too_long(bytes.size());
    if (got < block) return bytes;
  }
}

fs::file_type file_type_at(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  check(type != fs::file_type::none, "{}: cannot be looked at: {}", path.string(), error.message());
  return type;
}

bool path_exists(const fs::path& path) { return file_type_at(path) != fs::file_type::not_found; }

std::optional<int> temporary_file_writer(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kTemporaryPrefix) || !name.ends_with(kTemporarySuffix)) return std::nullopt;
  int process = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kTemporaryPrefix.size(), end, process);
  if (error != std::errc() || rest == end || *rest != '-') return std::nullopt;
  return process;
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  struct stat status {};
  check(::stat(path_.c_str(), &status) != 0 || S_ISREG(status.st_mode),
        "{}: cannot write: exists and is not a regular file", path_.string());
  temporary_ = temporary_name(path_);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot write", errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail("cannot flush to the disk", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot close", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot replace", errno);
  temporary_.clear();
  if (const int error = sync_directory(path_.parent_path()); error != 0) {
    fail("written, but its directory cannot be flushed to the disk", error);
  }
}

void AtomicFile::fail(std::string_view what, int error) const {
  throw Error(fmt::format("{}: {}: {}", path_.string(), what, reason(error)));
}

void write_file_atomic(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace switchyard
