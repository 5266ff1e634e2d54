#include "engine/io/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/core/check.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) { return std::generic_category().message(error); }

/// A name next to `path` that no other write uses, in this process or another.
fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> writes{0};
  return path.parent_path() /
         fmt::format(".{}.{}.{}.tmp", path.filename().string(), ::getpid(), writes++);
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

std::string read_file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check(descriptor >= 0, "{}: cannot open: {}", path.string(), reason(errno));
  std::string bytes;
  int error = 0;
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    error = errno;
  } else if (S_ISDIR(status.st_mode)) {
    error = EISDIR;
  } else {
    bytes.resize(static_cast<std::size_t>(status.st_size));
  }
  std::size_t filled = 0;
  while (error == 0 && filled < bytes.size()) {
    const ssize_t got = ::read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (got > 0) filled += static_cast<std::size_t>(got);
    if (got == 0) break;  // cut short while it was read
    if (got < 0 && errno != EINTR) error = errno;
  }
  ::close(descriptor);
  check(error == 0, "{}: cannot read: {}", path.string(), reason(error));
  bytes.resize(filled);
  return bytes;
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

void make_output_directory(const fs::path& path, bool allow_existing) {
  std::error_code error;
  fs::create_directories(path, error);
  check<UsageError>(!error, "{}: cannot create the output directory: {}", path.string(),
                    error.message());
  check<UsageError>(allow_existing || fs::is_empty(path, error),
                    "{}: the output directory exists and is not empty", path.string());
  check<UsageError>(::access(path.c_str(), W_OK | X_OK) == 0,
                    "{}: cannot write to the output directory: {}", path.string(), reason(errno));
}

}  // namespace switchyard
