#include "engine/io/files.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

std::vector<std::string> entries(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

TEST(ReadFile, NamesFileAndReason) {
  const TemporaryDirectory scratch;
  expect_error([&] { read_file(scratch / "none"); },
               "none: cannot open: No such file or directory");
  expect_error([&] { read_file(scratch.path()); }, "Is a directory");
}

/// The path of a pipe's end that gives `bytes`, as a shell's process substitution makes it.
class Pipe {
 public:
  explicit Pipe(const std::string& bytes) {
    check(::pipe(ends_) == 0, "no pipe");
    writer_ = std::thread([end = ends_[1], bytes] {
      for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t written = ::write(end, bytes.data() + done, bytes.size() - done);
        if (written <= 0) break;
        done += static_cast<std::size_t>(written);
      }
      ::close(end);
    });
  }
  ~Pipe() {
    ::close(ends_[0]);
    writer_.join();
  }
  fs::path path() const { return fmt::format("/proc/self/fd/{}", ends_[0]); }

 private:
  int ends_[2] = {-1, -1};
  std::thread writer_;
};

TEST(ReadFile, ReadsAPipeToItsEnd) {
  for (const std::size_t size : {0, 1, 65536, 300'001}) {
    const std::string bytes(size, 'x');
    const Pipe pipe(bytes);
    EXPECT_EQ(read_file(pipe.path()), bytes) << size << " bytes";
  }
}

TEST(ReadFile, StopsAtTheLimit) {
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / "file", "12345");
  EXPECT_EQ(read_file(scratch / "file", 5), "12345");
  expect_error([&] { read_file(scratch / "file", 4); }, "file: longer than 4 bytes");
  expect_error([] { read_file("/dev/zero", 1 << 20); }, "/dev/zero: longer than 1048576 bytes");
  fs::resize_file(scratch / "file", std::uintmax_t{1} << 40);  // a terabyte of nothing
  expect_error([&] { read_file(scratch / "file"); }, "file: longer than 1073741824 bytes");
}

TEST(ReadFile, ReadsFilesThatAnnounceNoBytes) {
  EXPECT_FALSE(read_file("/proc/self/status").empty());
}

TEST(ReadFile, ANulByteDoesNotCutAPath) {
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / "file", "x");
  const std::string path = (scratch / "file").string() + std::string("\0.json", 6);
  expect_error([&] { read_file(path); }, "a path cannot hold a NUL byte");
}

TEST(FileTypeAt, TellsALoopOfLinksFromNothing) {
  const TemporaryDirectory scratch;
  fs::create_symlink(scratch / "b", scratch / "a");
  fs::create_symlink(scratch / "a", scratch / "b");
  EXPECT_FALSE(path_exists(scratch / "none"));
  EXPECT_FALSE(path_exists(scratch / "none" / "below"));
  EXPECT_EQ(file_type_at(scratch.path()), fs::file_type::directory);
  expect_error([&] { path_exists(scratch / "a"); },
               "a: cannot be looked at: Too many levels of symbolic links");
  expect_error([&] { path_exists(scratch / std::string(300, 'x')); }, "File name too long");
}

TEST(WriteFileAtomic, TakesTheLongestNameThatTheFileSystemDoes) {
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / std::string(255, 'x'), "text");
  EXPECT_EQ(read_file(scratch / std::string(255, 'x')), "text");
}

TEST(WriteFileAtomic, ReplacesAndLeavesNothingElse) {
  const TemporaryDirectory scratch;
  const fs::path path = scratch / "file";
  write_file_atomic(path, "first");
  std::string binary("a\0\xff\nb", 5);
  binary.resize(1 << 20, 'x');
  write_file_atomic(path, binary);
  EXPECT_EQ(read_file(path), binary);
  EXPECT_EQ(entries(scratch.path()), std::vector<std::string>{"file"});
}

TEST(WriteFileAtomic, HonoursTheUsersPermissionMask) {
  const TemporaryDirectory scratch;
  const mode_t previous = ::umask(027);
  write_file_atomic(scratch / "file", "x");
  ::umask(previous);
  struct stat status {};
  ASSERT_EQ(::stat((scratch / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640U);
}

TEST(WriteFileAtomic, RefusesWhatIsNoRegularFile) {
  const TemporaryDirectory scratch;
  expect_error([] { write_file_atomic("/dev/null", "x"); },
               "/dev/null: cannot write: exists and is not a regular file");
  expect_error([&] { write_file_atomic(scratch.path(), "x"); }, "not a regular file");
  expect_error([&] { write_file_atomic(scratch / "none" / "file", "x"); },
               "No such file or directory");
}

TEST(AtomicFile, NothingAppearsBeforeTheCommit) {
  const TemporaryDirectory scratch;
  {
    AtomicFile file(scratch / "file");
    file.write("abc");
    EXPECT_FALSE(fs::exists(scratch / "file"));
  }
  EXPECT_TRUE(entries(scratch.path()).empty()) << "the temporary file stayed behind";
}

TEST(AtomicFile, AWriterThatIsKilledLeavesThePreviousFile) {
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / "file", "previous");
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(scratch / "file");
    file.write("half of the n");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_file(scratch / "file"), "previous");
}

TEST(WriteFileAtomic, AFileSizeLimitLeavesThePreviousFile) {
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / "file", "previous");
  struct rlimit limit {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small = {4096, limit.rlim_max};
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string text;
  try {
    write_file_atomic(scratch / "file", std::string(100000, 'x'));
  } catch (const Error& error) {
    text = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, previous_handler);
  EXPECT_EQ(text, (scratch / "file").string() + ": cannot write: File too large");
  EXPECT_EQ(read_file(scratch / "file"), "previous");
  EXPECT_EQ(entries(scratch.path()).size(), 1U) << "the temporary file stayed behind";
}

// The disk is filled in a child with a mount name space of its own, so that nothing stays mounted.
enum FullDisk { kAsExpected, kNoMount, kNoError, kWrongText, kPreviousLost, kTemporaryLeft };

FullDisk write_on_full_disk(const fs::path& directory) {
  if (::unshare(CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", directory.c_str(), "tmpfs", 0, "size=64k") != 0) {
    return kNoMount;
  }
  const fs::path path = directory / "checkpoint";
  write_file_atomic(path, "previous");
  try {
    write_file_atomic(path, std::string(1 << 20, 'x'));
    return kNoError;
  } catch (const Error& error) {
    const std::string text = error.what();
    if (text != path.string() + ": cannot write: No space left on device") return kWrongText;
  }
  if (read_file(path) != "previous") return kPreviousLost;
  return entries(directory).size() == 1 ? kAsExpected : kTemporaryLeft;
}

TEST(WriteFileAtomic, AFullDiskLeavesThePreviousFile) {
  const TemporaryDirectory scratch;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(write_on_full_disk(scratch.path()));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoMount) GTEST_SKIP() << "may not mount a small file system here";
  EXPECT_EQ(WEXITSTATUS(status), kAsExpected);
}

}  // namespace
}  // namespace switchyard
