#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>

#include "data/dataset.h"
#include "engine/io/path_text.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/expect_error.h"
#include "tests/support/image_files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using test::cifar10_records;
using test::expect_error;
using test::kCifarRecord;
using test::write_bytes;

class Cifar10 : public testing::Test {
 protected:
  Cifar10() { test::write_cifar10(directory_, 7); }

  void expect_load_error(const std::string& file, const std::string& part) {
    expect_error([&] { load_cifar10(directory_); }, (directory_ / file).string() + ": ");
    expect_error([&] { load_cifar10(directory_); }, part);
  }

  TemporaryDirectory scratch_;
  const fs::path directory_ = scratch_ / "cifar-10-batches-bin";
};

TEST_F(Cifar10, PutsRecordsIntoNhwcInTheOrderOfTheFiles) {
  const DatasetPair pair = load_cifar10(directory_);
  EXPECT_EQ(pair.train.images.shape(), (Shape{35, 32, 32, 3}));
  EXPECT_EQ(pair.train.labels.shape(), (Shape{35}));
  EXPECT_EQ(pair.test.images.shape(), (Shape{7, 32, 32, 3}));
  EXPECT_EQ(pair.train.name, "CIFAR-10");
  EXPECT_EQ(pair.train.classes, 10);
  for (int file = 1; file <= 6; ++file) {
    const ImageDataset& set = file <= 5 ? pair.train : pair.test;
    const std::string bytes = cifar10_records(7, static_cast<std::uint64_t>(file));
    for (std::size_t i = 0; i < 7; ++i) {
      const std::size_t image = file <= 5 ? static_cast<std::size_t>(file - 1) * 7 + i : i;
      ASSERT_EQ(set.labels.span<std::int64_t>()[image], bytes[i * kCifarRecord]);
      for (std::size_t p = 0; p < 1024; ++p) {
        for (std::size_t c = 0; c < 3; ++c) {
          const auto stored = static_cast<std::uint8_t>(bytes[i * kCifarRecord + 1 + c * 1024 + p]);
          ASSERT_EQ(set.images.span<std::uint8_t>()[(image * 1024 + p) * 3 + c], stored);
        }
      }
    }
  }
}

TEST_F(Cifar10, ClassNamesComeFromTheFileWhereThereIsOne) {
  EXPECT_EQ(load_cifar10(directory_).test.class_names[9], "truck");
  write_bytes(directory_ / "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  EXPECT_EQ(load_cifar10(directory_).test.class_names[9], "j");
  write_bytes(directory_ / "batches.meta.txt", "a\nb\n");
  expect_load_error("batches.meta.txt", "2 class names, expected 10");
}

// What the readers hand on goes into JSON files and onto terminals at the end of a run.
TEST_F(Cifar10, ClassNamesThatAreNoTextAreRefused) {
  for (const char* name : {"caf\xe9", "\x1b[31m", "\xc2\x9b", "\xe2\x80\xae"}) {
    write_bytes(directory_ / "batches.meta.txt",
                std::string("a\nb\nc\nd\ne\nf\ng\nh\ni\n") + name + "\n");
    expect_load_error("batches.meta.txt", "is not UTF-8 text");
  }
  write_bytes(directory_ / "batches.meta.txt", std::string(5000, ' '));
  expect_load_error("batches.meta.txt", "longer than 4096 bytes");
}

TEST_F(Cifar10, ADirectoryWhoseNameIsNotUtf8IsHandedOnAsText) {
  const fs::path odd = scratch_ / "bilder-\xe4";
  fs::rename(directory_, odd);
  const DatasetPair pair = load_cifar10(odd);
  EXPECT_EQ(pair.train.directory, scratch_.path().string() + "/bilder-\\xe4");
  EXPECT_EQ(path_of_text(pair.train.directory), odd);
}

TEST_F(Cifar10, ALoopOfLinksIsAnErrorThatNamesIt) {
  fs::remove(directory_ / "data_batch_3.bin");
  fs::create_symlink("data_batch_3.bin", directory_ / "data_batch_3.bin");
  expect_load_error("data_batch_3.bin", "Too many levels of symbolic links");
  fs::create_symlink("loop", scratch_ / "loop");
  expect_error([&] { load_directory(scratch_ / "loop"); }, "loop: cannot open the data directory");
}

TEST_F(Cifar10, TheDirectoryMayEndWithASlash) {
  EXPECT_EQ(load_cifar10(directory_ / "").train.directory, directory_.string());
}

TEST_F(Cifar10, MissingFilesAreNamed) {
  fs::remove(directory_ / "data_batch_3.bin");
  expect_load_error("data_batch_3.bin", "missing");
  fs::remove(directory_ / "test_batch.bin");
  expect_load_error("test_batch.bin", "missing");
}

TEST_F(Cifar10, FilesOfAnotherSizeAreNamed) {
  write_bytes(directory_ / "data_batch_2.bin",
              cifar10_records(7, 2).substr(0, 7 * kCifarRecord - 1));
  expect_load_error("data_batch_2.bin", "21510 bytes, expected 1 to 10000 records of 3073 bytes");
  write_bytes(directory_ / "data_batch_2.bin", cifar10_records(7, 2) + "x");
  expect_load_error("data_batch_2.bin", "21512 bytes");
  write_bytes(directory_ / "data_batch_2.bin", "");
  expect_load_error("data_batch_2.bin", "0 bytes");
  write_bytes(directory_ / "data_batch_2.bin", cifar10_records(6, 2));
  expect_load_error("data_batch_2.bin", "6 records, but data_batch_1.bin has 7");
  write_bytes(directory_ / "data_batch_2.bin", std::string(10001 * kCifarRecord, '\0'));
  expect_load_error("data_batch_2.bin", "30733073 bytes");
  fs::remove(directory_ / "data_batch_2.bin");
  fs::create_directory(directory_ / "data_batch_2.bin");
  expect_load_error("data_batch_2.bin", "not a regular file");
}

TEST_F(Cifar10, ALabelAboveNineIsNamedWithItsRecord) {
  std::string bytes = cifar10_records(7, 4);
  bytes[5 * kCifarRecord] = 10;
  write_bytes(directory_ / "data_batch_4.bin", bytes);
  expect_load_error("data_batch_4.bin", "record 5 has label 10, expected 0 to 9");
  bytes[5 * kCifarRecord] = '\xff';
  write_bytes(directory_ / "data_batch_4.bin", bytes);
  expect_load_error("data_batch_4.bin", "record 5 has label 255");
}

// This test reads the data set itself, where SWITCHYARD_DATA says where it is.
TEST(Cifar10Data, HasThePublishedCountsMeansAndDeviations) {
  const char* variable = std::getenv("SWITCHYARD_DATA");
  if (variable == nullptr) GTEST_SKIP() << "SWITCHYARD_DATA is not set";
  const DatasetPair pair = load_directory(variable);
  if (pair.train.name != "CIFAR-10" || pair.train.count() != 50'000) {
    GTEST_SKIP() << "SWITCHYARD_DATA holds " << pair.train.name << ", not all of CIFAR-10";
  }
  for (const ImageDataset* set : {&pair.train, &pair.test}) {
    std::array<std::int64_t, 10> counts{};
    for (const std::int64_t label : set->labels.span<std::int64_t>()) {
      ++counts.at(static_cast<std::size_t>(label));
    }
    for (const std::int64_t count : counts) EXPECT_EQ(count, set->count() / 10);
  }
  std::array<double, 3> sum{};
  std::array<double, 3> squares{};
  const auto pixels = pair.train.images.span<std::uint8_t>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const double pixel = pixels[i];
    sum.at(i % 3) += pixel;
    squares.at(i % 3) += pixel * pixel;
  }
  const double count = static_cast<double>(pixels.size()) / 3;
  for (std::size_t c = 0; c < 3; ++c) {
    const double mean = sum.at(c) / count;
    EXPECT_NEAR(mean / 255, pair.train.mean.at(c), 5e-5);
    const double deviation = std::sqrt(squares.at(c) / count - mean * mean);
    EXPECT_NEAR(deviation / 255, pair.train.deviation.at(c), 5e-5);
  }
}

}  // namespace
}  // namespace switchyard
