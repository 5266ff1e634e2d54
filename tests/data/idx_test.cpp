#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>

#include "data/dataset.h"
#include "tests/data/idx_files.h"
#include "tests/support/expect_error.h"
#include "tests/support/scratch_directory.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::idx_images;
using test::idx_labels;
using test::write_bytes;
using test::write_gzip;

class Idx : public testing::Test {
 protected:
  Idx() { test::write_idx(directory_, 20, 6, 4); }

  void expect_load_error(const std::string& file, const std::string& part) {
    expect_error([&] { load_idx(directory_); }, (directory_ / file).string() + ": ");
    expect_error([&] { load_idx(directory_); }, part);
  }

  test::ScratchDirectory scratch_;
  const fs::path directory_ = scratch_ / "digits";
};

TEST_F(Idx, ReadsPlainAndCompressedFilesAlike) {
  const DatasetPair plain = load_idx(directory_);
  EXPECT_EQ(plain.train.images.shape(), (Shape{20, 6, 4, 1}));
  EXPECT_EQ(plain.test.images.shape(), (Shape{10, 6, 4, 1}));
  const std::string bytes = idx_images(20, 6, 4, 1);
  const auto pixels = plain.train.images.span<std::uint8_t>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    ASSERT_EQ(pixels[i], static_cast<std::uint8_t>(bytes[16 + i]));
  }
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(plain.train.labels.span<std::int64_t>()[i], static_cast<std::int64_t>(i % 10));
  }
  for (const char* name : {"train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    const fs::path path = directory_ / name;
    write_gzip(path.string() + ".gz", test::read_bytes(path));
    fs::remove(path);
  }
  const DatasetPair compressed = load_idx(directory_);
  EXPECT_EQ(plain.train.images.to_doubles(), compressed.train.images.to_doubles());
  EXPECT_EQ(plain.test.labels.to_doubles(), compressed.test.labels.to_doubles());
}

TEST_F(Idx, ComputesMeanAndDeviationOfTheTrainingSet) {
  const DatasetPair pair = load_idx(directory_);
  double mean = 0;
  double variance = 0;
  const std::vector<double> pixels = pair.train.images.to_doubles();
  for (const double pixel : pixels) mean += pixel / 255 / static_cast<double>(pixels.size());
  for (const double pixel : pixels) {
    variance += (pixel / 255 - mean) * (pixel / 255 - mean) / static_cast<double>(pixels.size());
  }
  EXPECT_NEAR(pair.train.mean.at(0), mean, 1e-12);
  EXPECT_NEAR(pair.train.deviation.at(0), std::sqrt(variance), 1e-12);
  EXPECT_EQ(pair.test.mean, pair.train.mean);
}

TEST_F(Idx, TheDirectorysNameTellsClothesFromDigits) {
  const ImageDataset digits = load_idx(directory_).train;
  EXPECT_EQ(digits.name, "MNIST");
  EXPECT_EQ(digits.class_names[7], "7");
  EXPECT_FALSE(digits.mirror_keeps_class);
  test::write_idx(scratch_ / "fashion-mnist", 10, 6, 4);
  const ImageDataset clothes = load_idx(scratch_ / "fashion-mnist").train;
  EXPECT_EQ(clothes.name, "Fashion-MNIST");
  EXPECT_EQ(clothes.class_names[9], "ankle boot");
  EXPECT_TRUE(clothes.mirror_keeps_class);
}

TEST_F(Idx, DamagedFilesAreNamed) {
  const std::string images = "train-images-idx3-ubyte";
  const std::string labels = "train-labels-idx1-ubyte";
  const std::string good = idx_images(20, 6, 4, 1);
  const auto expect_images_error = [&](const std::string& bytes, const std::string& part) {
    write_bytes(directory_ / images, bytes);
    expect_load_error(images, part);
  };
  expect_images_error("", "truncated in its header");
  expect_images_error(good.substr(0, 15), "truncated in its header");
  expect_images_error(good.substr(0, good.size() - 1), "truncated: 479 bytes of data");
  expect_images_error(good + "x", "longer than the 480 bytes");
  expect_images_error(idx_labels(20), "magic number 0x00000801, expected 0x00000803");
  expect_images_error(idx_images(0, 6, 4, 1), "0 images of 6x4");
  // A header that announces 64 TB must not be believed.
  std::string huge = good;
  huge.replace(4, 12, std::string("\xff\xff\xff\xff\0\0\0\x80\0\0\0\x80", 12));
  expect_images_error(huge, "truncated: 480 bytes of data");
  huge.replace(4, 12, std::string(12, '\xff'));
  expect_images_error(huge, "sides of 1 to 1024");
  fs::remove(directory_ / images);
  expect_load_error(images, "missing, also with .gz");
  write_bytes(directory_ / images, good);

  write_bytes(directory_ / labels, idx_labels(19));
  expect_load_error(labels, "19 labels for 20 images");
  std::string bad = idx_labels(20);
  bad[8 + 13] = 10;
  write_bytes(directory_ / labels, bad);
  expect_load_error(labels, "record 13 has label 10");
  write_bytes(directory_ / labels, idx_labels(20));
  write_bytes(directory_ / "t10k-images-idx3-ubyte", idx_images(10, 4, 6, 2));
  expect_error([&] { load_idx(directory_); }, "training images are 6x4, test images 4x6");
}

TEST_F(Idx, ADamagedCompressedFileIsNamed) {
  const std::string name = "train-images-idx3-ubyte";
  const fs::path path = directory_ / (name + ".gz");
  fs::remove(directory_ / name);
  write_gzip(path, idx_images(20, 6, 4, 1));
  const std::string good = test::read_bytes(path);
  for (std::size_t size = 2; size < good.size(); size += 7) {
    write_bytes(path, good.substr(0, size));
    expect_error([&] { load_idx(directory_); }, path.string() + ": ");
  }
  std::string changed = good;
  changed[good.size() - 6] = static_cast<char>(changed[good.size() - 6] ^ 1);  // in the checksum
  write_bytes(path, changed);
  expect_load_error(name + ".gz", "cannot read: ");
}

TEST(FashionMnist, TheSystemsCopyHasThePublishedCountsMeanAndDeviation) {
  if (!fs::exists(kFashionMnistDirectory)) GTEST_SKIP() << "no package dataset-fashion-mnist";
  const DatasetPair pair = load_idx(kFashionMnistDirectory);
  EXPECT_EQ(pair.train.images.shape(), (Shape{60'000, 28, 28, 1}));
  EXPECT_EQ(pair.test.images.shape(), (Shape{10'000, 28, 28, 1}));
  EXPECT_NEAR(pair.train.mean.at(0), 0.2860, 5e-5);
  EXPECT_NEAR(pair.train.deviation.at(0), 0.3530, 5e-5);
  std::vector<int> counts(10);
  for (const std::int64_t label : pair.train.labels.span<std::int64_t>()) {
    ++counts.at(static_cast<std::size_t>(label));
  }
  EXPECT_EQ(counts, std::vector<int>(10, 6000));
}

}  // namespace
}  // namespace switchyard
