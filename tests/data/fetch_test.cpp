#include "data/fetch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "data/dataset.h"
#include "data/sha256.h"
#include "data/unpack.h"
#include "kernels/api/temporary_directory.h"
#include "tests/data/archive_files.h"
#include "tests/data/http_server.h"
#include "tests/data/idx_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/image_files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using test::ArchiveEntry;
using test::expect_error;
using test::HttpServer;
using test::read_bytes;
using test::write_bytes;

TEST(Sha256, AgreesWithThePublishedVectors) {
  const TemporaryDirectory scratch;
  write_bytes(scratch / "empty", "");
  write_bytes(scratch / "abc", "abc");
  write_bytes(scratch / "million", std::string(1'000'000, 'a'));
  // FIPS 180-2, appendix B.1 and B.3.
  EXPECT_EQ(sha256_of_file(scratch / "empty"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of_file(scratch / "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of_file(scratch / "million"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  expect_error([&] { sha256_of_file(scratch / "none"); }, "none: cannot open: No such file");
}

class Fetch : public testing::Test {
 protected:
  Fetch() {
    ::setenv("no_proxy", "*", 1);  // the servers of these tests are on this machine
    set_archive(test::cifar10_entries(40));
  }

  /// Makes the archive of `entries` the one that options() describes.
  void set_archive(const std::vector<ArchiveEntry>& entries) {
    test::write_archive(archive_, entries);
    bytes_ = read_bytes(archive_);
  }
  FetchOptions options(const std::string& url) const {
    return {.url = url, .sha256 = sha256_of_file(archive_), .bytes = std::ssize(bytes_)};
  }
  FetchOptions file_options() const { return options("file://" + archive_.string()); }

  void expect_fetched() const {
    const DatasetPair pair = load_cifar10(folder_);
    EXPECT_EQ(pair.train.count(), 200);
    EXPECT_EQ(pair.test.count(), 40);
    EXPECT_EQ(read_bytes(folder_ / "test_batch.bin"), test::cifar10_records(40, 6));
    expect_only({kCifar10Folder});
  }
  /// Nothing but `names` is in the target directory.
  void expect_only(const std::vector<std::string>& names) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(target_)) {
      found.push_back(entry.path().filename().string());
    }
    EXPECT_EQ(found, names);
  }

  TemporaryDirectory scratch_;
  const fs::path archive_ = scratch_ / "archive.tar.gz";
  std::string bytes_;
  const fs::path target_ = scratch_ / "a" / "cache";
  const fs::path folder_ = target_ / kCifar10Folder;
  const fs::path part_ = target_ / "cifar-10-binary.tar.gz.part";
};

TEST_F(Fetch, DownloadsChecksAndUnpacks) {
  const HttpServer server(bytes_, {});
  FetchOptions fetch = options(server.url());
  std::int64_t last = 0;
  fetch.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_GE(done, last);
    EXPECT_EQ(total, std::ssize(bytes_));
    last = done;
    return true;
  };
  EXPECT_EQ(fetch_cifar10(target_, fetch), folder_);
  expect_fetched();
  EXPECT_EQ(last, std::ssize(bytes_));
  EXPECT_EQ(fetch_cifar10(target_, fetch), folder_);
  EXPECT_EQ(server.starts().size(), 1U) << "what is there is not fetched again";
}

TEST_F(Fetch, ContinuesAnInterruptedDownload) {
  const HttpServer server(bytes_, {.cut_after = 50'000});
  expect_error([&] { fetch_cifar10(target_, options(server.url())); }, server.url() + ": ");
  EXPECT_EQ(read_bytes(part_), bytes_.substr(0, 50'000));
  fetch_cifar10(target_, options(server.url()));
  expect_fetched();
  EXPECT_EQ(server.starts(), (std::vector<std::size_t>{0, 50'000}));
}

TEST_F(Fetch, ContinuesFromAFileUrl) {
  fs::create_directories(target_);
  write_bytes(part_, bytes_.substr(0, 12'345));
  fetch_cifar10(target_, file_options());
  expect_fetched();
}

TEST_F(Fetch, StartsAnewWhereTheServerCannotContinue) {
  const HttpServer server(bytes_, {.ranges = false});
  fs::create_directories(target_);
  write_bytes(part_, bytes_.substr(0, 12'345));
  fetch_cifar10(target_, options(server.url()));
  expect_fetched();
  EXPECT_EQ(server.starts(), (std::vector<std::size_t>{12'345, 0}));
}

TEST_F(Fetch, APartThatIsTooLongIsDroppedAndACompleteOneIsOnlyChecked) {
  const HttpServer server(bytes_, {});
  fs::create_directories(target_);
  write_bytes(part_, bytes_ + "x");
  fetch_cifar10(target_, options(server.url()));
  EXPECT_EQ(server.starts(), std::vector<std::size_t>{0});
  fs::remove_all(folder_);
  write_bytes(part_, bytes_);
  fetch_cifar10(target_, options(server.url()));
  expect_fetched();
  EXPECT_EQ(server.starts().size(), 1U);
}

TEST_F(Fetch, StopsWhereProgressSaysSoAndCanGoOn) {
  FetchOptions fetch = file_options();
  fetch.progress = [](std::int64_t, std::int64_t) { return false; };
  expect_error<FetchStopped>([&] { fetch_cifar10(target_, fetch); }, "stopped after ");
  fetch.progress = [](std::int64_t, std::int64_t) -> bool { throw Error("from progress"); };
  expect_error([&] { fetch_cifar10(target_, fetch); }, "from progress");
  fetch_cifar10(target_, file_options());
  expect_fetched();
}

TEST_F(Fetch, AWrongHashRemovesTheFile) {
  FetchOptions fetch = file_options();
  fetch.sha256 = std::string(64, '0');
  expect_error([&] { fetch_cifar10(target_, fetch); },
               "has SHA-256 " + sha256_of_file(archive_) + ", expected 0000");
  expect_only({});
}

TEST_F(Fetch, AnswersThatAreNotTheFileAreErrors) {
  const HttpServer missing(bytes_, {.status = 404});
  expect_error([&] { fetch_cifar10(target_, options(missing.url())); }, "404");
  const HttpServer longer(bytes_ + "x", {});
  expect_error([&] { fetch_cifar10(target_, options(longer.url())); }, "sends more than");
  EXPECT_EQ(read_bytes(part_), "") << "what is surely wrong is not continued";
  const HttpServer shorter(bytes_.substr(0, 100), {});
  expect_error([&] { fetch_cifar10(target_, options(shorter.url())); }, "ended after 100 of");
  expect_error([&] { fetch_cifar10(target_, options("http://127.0.0.1:1/x")); },
               "http://127.0.0.1:1/x: Failed to connect");
}

TEST_F(Fetch, ADiskThatIsFullIsNamedAndTheDownloadGoesOnLater) {
  struct rlimit limit {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const struct rlimit small = {20'000, limit.rlim_max};
  const auto previous_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string text;
  try {
    fetch_cifar10(target_, file_options());
  } catch (const Error& error) {
    text = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, previous_handler);
  EXPECT_EQ(text, part_.string() + ": cannot write: File too large");
  EXPECT_EQ(read_bytes(part_), bytes_.substr(0, 20'000));
  fetch_cifar10(target_, file_options());
  expect_fetched();
}

TEST_F(Fetch, ASecondDownloadOfTheSameFileIsRefused) {
  fs::create_directories(target_);
  const int other = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  expect_error([&] { fetch_cifar10(target_, file_options()); },
               "another process is downloading it");
  ::close(other);
  fetch_cifar10(target_, file_options());
  expect_fetched();
}

TEST_F(Fetch, AnythingElseInTheArchiveIsRefused) {
  const std::string folder = "cifar-10-batches-bin/";
  const std::vector<ArchiveEntry> intruders = {
      {"../evil", "x"},
      {"/evil", "x"},
      {folder + "../../evil", "x"},
      {folder + "evil", "x"},
      {"evil/", "", ArchiveEntry::kDirectory},
      {folder + "sub/", "", ArchiveEntry::kDirectory},
      {folder + "batches.meta.txt", "/etc/passwd", ArchiveEntry::kSymbolicLink},
      {folder + "batches.meta.txt", folder + "test_batch.bin", ArchiveEntry::kHardLink},
      {"cifar-10-batches-bin", "x"},
  };
  for (const ArchiveEntry& intruder : intruders) {
    std::vector<ArchiveEntry> entries = test::cifar10_entries(1);
    entries.push_back(intruder);
    set_archive(entries);
    expect_error([&] { fetch_cifar10(target_, file_options()); },
                 "unexpected entry '" + intruder.path + "'");
    EXPECT_FALSE(fs::exists(folder_));
    EXPECT_FALSE(fs::exists(scratch_ / "evil"));
    EXPECT_FALSE(fs::exists(scratch_ / "a" / "evil"));
    expect_only({part_.filename().string()});
    fs::remove(part_);
  }
}

TEST_F(Fetch, AnEntryThatIsTooLongIsRefused) {
  std::vector<ArchiveEntry> entries = test::cifar10_entries(1);
  entries[3].bytes = std::string(10'001 * test::kCifarRecord, 'x');
  set_archive(entries);
  expect_error([&] { fetch_cifar10(target_, file_options()); }, "is longer than 30730000 bytes");
  EXPECT_FALSE(fs::exists(folder_));
}

TEST_F(Fetch, AnIncompleteOrDamagedArchiveLeavesNoFolder) {
  std::vector<ArchiveEntry> entries = test::cifar10_entries(1);
  entries.pop_back();
  set_archive(entries);
  expect_error([&] { fetch_cifar10(target_, file_options()); }, "lacks some of CIFAR-10's files");
  set_archive(test::cifar10_entries(40));
  for (const std::size_t size : {std::size_t{10}, bytes_.size() / 2, bytes_.size() - 20}) {
    fs::remove(part_);
    bytes_ = read_bytes(archive_).substr(0, size);
    write_bytes(archive_, bytes_);
    expect_error([&] { fetch_cifar10(target_, file_options()); }, "cifar-10-binary.tar.gz.part: ");
    EXPECT_FALSE(fs::exists(folder_));
    set_archive(test::cifar10_entries(40));
  }
}

TEST_F(Fetch, AnArchiveWithoutFilesIsRefused) {
  for (const std::vector<ArchiveEntry>& entries :
       {std::vector<ArchiveEntry>{},
        std::vector<ArchiveEntry>{{"cifar-10-batches-bin/", "", ArchiveEntry::kDirectory}}}) {
    set_archive(entries);
    expect_error([&] { unpack(archive_, kCifar10Folder, {"test_batch.bin"}, 1, scratch_.path()); },
                 "the archive holds no files");
  }
}

TEST_F(Fetch, AnEntryThatComesTwiceIsRefused) {
  std::vector<ArchiveEntry> entries = test::cifar10_entries(1);
  entries.push_back(entries.back());
  set_archive(entries);
  expect_error([&] { fetch_cifar10(target_, file_options()); }, "unexpected entry");
  entries = std::vector<ArchiveEntry>(1000, entries.front());
  set_archive(entries);
  expect_error([&] { fetch_cifar10(target_, file_options()); }, "more entries than the folder");
}

TEST_F(Fetch, AFolderThatIsNotCompleteIsNotTouched) {
  fs::create_directories(folder_);
  write_bytes(folder_ / "test_batch.bin", "mine");
  expect_error([&] { fetch_cifar10(target_, file_options()); },
               "exists, but lacks some of CIFAR-10's files");
  EXPECT_EQ(read_bytes(folder_ / "test_batch.bin"), "mine");
}

TEST_F(Fetch, ATargetThatCannotBeWrittenIsNamed) {
  write_bytes(scratch_ / "a", "a file");
  expect_error([&] { fetch_cifar10(target_, file_options()); }, target_.string());
  expect_error([&] { fetch_cifar10("/proc/none", file_options()); }, "/proc/none");
}

}  // namespace
}  // namespace switchyard
