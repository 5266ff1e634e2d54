#include "data/dataset.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "data/sha256.h"
#include "kernels/api/temporary_directory.h"
#include "tests/data/archive_files.h"
#include "tests/data/idx_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/image_files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::write_bytes;

/// Sets environment variables until the test ends.
class Environment {
 public:
  ~Environment() {
    for (const auto& [name, value] : before_) restore(name, value);
  }
  void set(const std::string& name, const std::optional<std::string>& value) {
    const char* now = std::getenv(name.c_str());
    before_.emplace(name, now != nullptr ? std::optional<std::string>(now) : std::nullopt);
    restore(name, value);
  }

 private:
  static void restore(const std::string& name, const std::optional<std::string>& value) {
    if (value) {
      ::setenv(name.c_str(), value->c_str(), 1);
    } else {
      ::unsetenv(name.c_str());
    }
  }
  std::map<std::string, std::optional<std::string>> before_;
};

/// An empty cache, no network, and a Fashion-MNIST of ten images.
class FindDataset : public testing::Test {
 protected:
  FindDataset() {
    environment_.set("SWITCHYARD_DATA", std::nullopt);
    environment_.set("XDG_CACHE_HOME", (scratch_ / "cache").string());
    fetch_.url = "file://" + (scratch_ / "archive.tar.gz").string();
    test::write_idx(fallback_, 10, 6, 4);
  }

  DatasetPair find(const std::optional<fs::path>& directory = std::nullopt) {
    said_.clear();
    return find_dataset(
        directory, [&](const std::string& text) { said_ += text + "\n"; }, fetch_, fallback_);
  }
  void expect_said(const std::string& part) const {
    EXPECT_NE(said_.find(part), std::string::npos) << said_;
  }
  void expect_source(const DatasetPair& pair, const std::string& source,
                     const fs::path& directory) {
    EXPECT_EQ(pair.train.source, source);
    EXPECT_EQ(pair.test.source, source);
    EXPECT_EQ(pair.train.directory, directory.string());
    expect_said(directory.string());
  }
  void put_archive() {
    const fs::path archive = scratch_ / "archive.tar.gz";
    test::write_archive(archive, test::cifar10_entries(3));
    fetch_.sha256 = sha256_of_file(archive);
    fetch_.bytes = static_cast<std::int64_t>(fs::file_size(archive));
  }

  TemporaryDirectory scratch_;
  Environment environment_;
  FetchOptions fetch_;
  const fs::path fallback_ = scratch_ / "fashion-mnist";
  const fs::path cached_ = scratch_ / "cache" / "switchyard" / kCifar10Folder;
  std::string said_;
};

TEST_F(FindDataset, TheGivenDirectoryComesFirst) {
  test::write_cifar10(scratch_ / "given", 2);
  test::write_cifar10(scratch_ / "variable", 3);
  test::write_cifar10(cached_, 4);
  environment_.set("SWITCHYARD_DATA", (scratch_ / "variable").string());
  const DatasetPair pair = find(scratch_ / "given");
  EXPECT_EQ(pair.test.count(), 2);
  expect_source(pair, "given", scratch_ / "given");
  expect_said("(--data): 10 training and 2 test images, 32x32x3");
}

TEST_F(FindDataset, ThenTheVariableThenTheCache) {
  test::write_cifar10(scratch_ / "variable", 3);
  test::write_cifar10(cached_, 4);
  environment_.set("SWITCHYARD_DATA", (scratch_ / "variable").string());
  expect_source(find(), "given", scratch_ / "variable");
  expect_said("(SWITCHYARD_DATA)");
  environment_.set("SWITCHYARD_DATA", "");
  const DatasetPair pair = find();
  EXPECT_EQ(pair.test.count(), 4);
  expect_source(pair, "fetched", cached_);
}

TEST_F(FindDataset, ThenWhatCanBeFetched) {
  put_archive();
  const DatasetPair pair = find();
  EXPECT_EQ(pair.train.count(), 15);
  expect_source(pair, "fetched", cached_);
  expect_said("data: fetching CIFAR-10");
  fs::remove(scratch_ / "archive.tar.gz");
  EXPECT_EQ(find().train.count(), 15) << "from the cache now";
}

TEST_F(FindDataset, ThenFashionMnistAndSaysWhy) {
  const DatasetPair pair = find();
  EXPECT_EQ(pair.train.name, "fashion-mnist") << "the directory's, as nobody knows these files";
  expect_source(pair, "built-in", fallback_);
  expect_said("data: cannot fetch CIFAR-10: file://");
  expect_said("CIFAR-10 neither found nor fetched");
}

TEST_F(FindDataset, WithNothingAtAllSaysWhatToDo) {
  fs::remove_all(fallback_);
  expect_error([&] { find(); }, "give a directory with --data");
}

TEST_F(FindDataset, ABadDirectoryIsAnErrorAndNeverPassedOver) {
  expect_error([&] { find(scratch_ / "none"); }, "none: cannot open the data directory: No such");
  environment_.set("SWITCHYARD_DATA", (scratch_ / "none").string());
  expect_error([&] { find(); }, "none: cannot open the data directory: No such");
  write_bytes(scratch_ / "file", "x");
  expect_error([&] { find(scratch_ / "file"); }, "file: not a directory");
  fs::create_directory(scratch_ / "empty");
  expect_error([&] { find(scratch_ / "empty"); }, "empty: no data set here; expected");
  write_bytes(scratch_ / "empty" / "data_batch_1", "pickle");
  expect_error([&] { find(scratch_ / "empty"); }, "found CIFAR-10's Python version");
  environment_.set("SWITCHYARD_DATA", std::nullopt);
  test::write_cifar10(cached_, 1);
  write_bytes(cached_ / "test_batch.bin", "damaged");
  expect_error([&] { find(); }, "test_batch.bin: not a CIFAR-10 file: 7 bytes");
}

TEST_F(FindDataset, AStoppedFetchIsNoReasonForAnotherDataSet) {
  put_archive();
  fetch_.progress = [](std::int64_t, std::int64_t) { return false; };
  expect_error<FetchStopped>([&] { find(); }, "stopped");
}

TEST_F(FindDataset, TakesIdxFilesAndAFolderAroundCifar10) {
  const DatasetPair digits = find(fallback_);
  EXPECT_EQ(digits.train.images.shape(), (Shape{10, 6, 4, 1}));
  expect_source(digits, "given", fallback_);
  test::write_cifar10(scratch_ / "around" / kCifar10Folder, 1);
  expect_source(find(scratch_ / "around"), "given", scratch_ / "around" / kCifar10Folder);
}

TEST(CacheDirectory, FollowsTheEnvironment) {
  Environment environment;
  environment.set("XDG_CACHE_HOME", "/x/y");
  EXPECT_EQ(cache_directory(), "/x/y/switchyard");
  environment.set("HOME", "/home/someone");
  environment.set("XDG_CACHE_HOME", "relative");  // to be ignored, says the specification
  EXPECT_EQ(cache_directory(), "/home/someone/.cache/switchyard");
  environment.set("HOME", std::nullopt);
  EXPECT_TRUE(cache_directory().is_absolute());
}

}  // namespace
}  // namespace switchyard
