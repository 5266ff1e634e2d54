#include "training/directory_owner.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/io/files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

namespace fs = std::filesystem;

class DirectoryOwnerTest : public testing::Test {
 protected:
  std::string in_use() const {
    return fmt::format("run: in use by process {} on host ", ::getpid());
  }

  TemporaryDirectory scratch_;
  fs::path run_ = scratch_ / "run";
};

TEST_F(DirectoryOwnerTest, TheSecondIsRefusedByName) {
  const DirectoryOwner first = DirectoryOwner::create(run_);
  expect_error([&] { DirectoryOwner::create(run_); }, in_use());
  expect_error([&] { DirectoryOwner::take(run_); }, in_use());
  EXPECT_FALSE(DirectoryOwner::try_to_take(run_).has_value());
}

TEST_F(DirectoryOwnerTest, GivesTheDirectoryBack) {
  fs::create_directory(run_);
  { const DirectoryOwner owner = DirectoryOwner::take(run_); }
  EXPECT_TRUE(fs::is_empty(run_)) << "the lock stayed behind";
  EXPECT_TRUE(DirectoryOwner::try_to_take(run_).has_value());
}

TEST_F(DirectoryOwnerTest, ADeadOwnerOwnsNothing) {
  fs::create_directory(run_);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // dies as owner, with a file half written
    const DirectoryOwner owner = DirectoryOwner::take(run_);
    const AtomicFile file(run_ / "file");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(std::distance(fs::directory_iterator(run_), {}), 2) << "the lock and a temporary file";
  const DirectoryOwner next = DirectoryOwner::create(run_);  // neither counts as contents
  EXPECT_EQ(std::distance(fs::directory_iterator(run_), {}), 1) << "the lock";
}

/// Many processes that start at once: one wins, whoever it is.
TEST_F(DirectoryOwnerTest, OneOfManyCreators) {
  constexpr int kProcesses = 8;
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() != 0) continue;
    char byte = 0;
    ::close(gate[1]);
    (void)!::read(gate[0], &byte, 1);  // until the parent closes its end
    try {
      const DirectoryOwner owner = DirectoryOwner::create(run_);
      write_file_atomic(run_ / "config.json", "{}");
      ::usleep(50'000);
      ::_exit(0);
    } catch (const Error&) {
      ::_exit(1);
    }
  }
  ::close(gate[0]);
  ::close(gate[1]);
  int winners = 0;
  for (int i = 0; i < kProcesses; ++i) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    ASSERT_TRUE(WIFEXITED(status));
    winners += WEXITSTATUS(status) == 0 ? 1 : 0;
  }
  EXPECT_EQ(winners, 1);
}

TEST_F(DirectoryOwnerTest, WhatIsCreatedAndLeftEmptyGoesAway) {
  { const DirectoryOwner owner = DirectoryOwner::create(run_ / "a" / "b"); }
  EXPECT_FALSE(fs::exists(run_));
  {
    const DirectoryOwner owner = DirectoryOwner::create(run_ / "a" / "b");
    write_file_atomic(run_ / "a" / "file", "text");
  }
  EXPECT_TRUE(fs::exists(run_ / "a"));
  EXPECT_FALSE(fs::exists(run_ / "a" / "b"));
}

TEST_F(DirectoryOwnerTest, RefusesWhatIsNotFree) {
  write_file_atomic(scratch_ / "file", "text");
  expect_error<UsageError>([&] { DirectoryOwner::create(scratch_.path()); }, "exists already");
  expect_error<UsageError>([&] { DirectoryOwner::create(scratch_ / "file"); }, "exists already");
  expect_error<UsageError>([&] { DirectoryOwner::create(scratch_ / "file" / "x"); },
                           "cannot create the directory");
  expect_error<UsageError>([&] { DirectoryOwner::create(scratch_ / std::string(300, 'x')); },
                           "cannot create the directory: File name too long");
  expect_error<UsageError>([&] { DirectoryOwner::take(scratch_ / "none"); }, "cannot write");
  EXPECT_EQ(read_file(scratch_ / "file"), "text");
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch_.path()), {}), 1);
}

TEST_F(DirectoryOwnerTest, AnUnwritableDirectoryIsNoticedAtOnce) {
  constexpr uid_t kNobody = 65534;
  const uid_t user = ::geteuid();
  fs::create_directory(run_);
  fs::permissions(run_, fs::perms::owner_read | fs::perms::owner_exec);
  fs::permissions(scratch_.path(), fs::perms::all);
  if (user == 0) {  // root may write everywhere
    ASSERT_EQ(::chown(run_.c_str(), kNobody, static_cast<gid_t>(-1)), 0);
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  expect_error<UsageError>([&] { DirectoryOwner::create(run_); }, "cannot write to the directory");
  expect_error<UsageError>([&] { DirectoryOwner::create(run_ / "below"); },
                           "cannot create the directory: Permission denied");
  ASSERT_EQ(::seteuid(user), 0);
}

}  // namespace
}  // namespace switchyard::test
