#include "training/directory_owner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "training/descriptor.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = ".owner";

std::string reason(int error) { return std::generic_category().message(error); }

/// Says whether the open file is still the one under this name: its last owner may have removed it
/// between our open() and flock().
bool is_still(int descriptor, const fs::path& file) {
  struct stat open_file {};
  struct stat named {};
  return ::fstat(descriptor, &open_file) == 0 && ::stat(file.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

void write_name(int lock) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  const std::string text = fmt::format("process {} on host {}\n", ::getpid(), host.data());
  // The name only serves messages; the lock holds without it.
  if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, text.data(), text.size(), 0) < 0) return;
}

/// "process 4711 on host atlas", which the owner writes right after it took the lock.
std::string owner_of(int lock) {
  std::array<char, 300> text{};
  for (int attempt = 0; attempt < 20; ++attempt) {
    const ssize_t got = ::pread(lock, text.data(), text.size(), 0);
    if (got > 1 && text[static_cast<std::size_t>(got) - 1] == '\n') {
      return {text.data(), static_cast<std::size_t>(got) - 1};
    }
    ::usleep(5'000);
  }
  return "another process";
}

/// The locked descriptor, or -1 and the owner's name.
int lock_directory(const fs::path& directory, std::string& owner) {
  const fs::path file = directory / kLockName;
  for (;;) {
    Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    check<UsageError>(lock.get() >= 0, "{}: cannot write to the directory: {}", directory.string(),
                      reason(errno));
    int result = 0;
    do {
      result = ::flock(lock.get(), LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
      check(errno == EWOULDBLOCK, "{}: cannot lock: {}", file.string(), reason(errno));
      owner = owner_of(lock.get());
      return -1;
    }
    if (!is_still(lock.get(), file)) continue;
    write_name(lock.get());
    return lock.release();
  }
}

/// Says whether the directory holds nothing but the lock and left-over temporary files.
bool is_free(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename() != kLockName && !temporary_file_writer(at->path())) return false;
  }
  check<UsageError>(!error, "{}: cannot read the directory: {}", directory.string(),
                    error.message());
  return true;
}

/// Removes what a kill left of a write. A `report` may be writing beside the owner: the temporary
/// file of a process that lives stays.
void remove_left_overs(const fs::path& directory) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, ignored)) {
    const auto writer = temporary_file_writer(entry.path());
    const bool lives = writer && (::kill(*writer, 0) == 0 || errno != ESRCH);
    if (writer && !lives) fs::remove(entry.path(), ignored);
  }
}

void remove_if_empty(const std::vector<fs::path>& directories) {
  for (auto last = directories.rbegin(); last != directories.rend(); ++last) {
    if (::rmdir(last->c_str()) != 0) return;
  }
}

/// Makes `path` and its missing parents and returns those made, outermost first.
std::vector<fs::path> make_directories(const fs::path& path) {
  std::vector<fs::path> made;
  std::error_code error;
  fs::path at;
  for (const fs::path& part : path) {
    at /= part;
    if (part.empty() || fs::is_directory(at, error)) continue;
    const int failure = ::mkdir(at.c_str(), 0777) == 0 ? 0 : errno;
    if (failure == 0) made.push_back(at);
    if (failure == 0 || fs::is_directory(at, error)) continue;  // made here or by another process
    remove_if_empty(made);
    throw UsageError(
        fmt::format("{}: cannot create the directory: {}", path.string(), reason(failure)));
  }
  return made;
}

[[noreturn]] void refuse(const fs::path& path, const std::string& owner) {
  throw Error(fmt::format("{}: in use by {}", path.string(), owner));
}

}  // namespace

std::optional<DirectoryOwner> DirectoryOwner::try_to_take(const fs::path& path) {
  std::string owner;
  const int lock = lock_directory(path, owner);
  if (lock < 0) return std::nullopt;
  remove_left_overs(path);
  return DirectoryOwner(path, lock);
}

DirectoryOwner DirectoryOwner::take(const fs::path& path) {
  std::string owner;
  const int lock = lock_directory(path, owner);
  if (lock < 0) refuse(path, owner);
  remove_left_overs(path);
  return {path, lock};
}

DirectoryOwner DirectoryOwner::create(const fs::path& path) {
  constexpr const char* kTaken = "{}: exists already (--resume continues it, --out names another)";
  std::error_code ignored;
  check<UsageError>(!fs::exists(path, ignored) || fs::is_directory(path, ignored), kTaken,
                    path.string());
  DirectoryOwner result(path, -1);
  result.made_ = make_directories(path);
  std::string owner;
  result.lock_ = lock_directory(path, owner);
  if (result.lock_ < 0) refuse(path, owner);
  check<UsageError>(is_free(path), kTaken, path.string());
  remove_left_overs(path);
  return result;
}

DirectoryOwner::DirectoryOwner(DirectoryOwner&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      made_(std::exchange(other.made_, {})) {}

DirectoryOwner::~DirectoryOwner() {
  if (lock_ >= 0) {
    ::unlink((path_ / kLockName).c_str());  // while the lock is held: see is_still()
    ::close(lock_);
  }
  remove_if_empty(made_);
}

}  // namespace switchyard
