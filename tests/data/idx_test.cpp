#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>

#include "data/dataset.h"
#include "data/known_files.h"
#include "engine/io/path_text.h"
#include "kernels/api/temporary_directory.h"
#include "tests/data/idx_files.h"
#include "tests/support/expect_error.h"

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

  TemporaryDirectory scratch_;
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

TEST_F(Idx, FilesThatNobodyKnowsAreNamedAsTheirDirectory) {
  for (const char* name : {"digits-of-mine", "fashion-mnist"}) {
    test::write_idx(scratch_ / name, 10, 6, 4);
    const ImageDataset set = load_idx(scratch_ / name).train;
    EXPECT_EQ(set.name, name);
    EXPECT_FALSE(set.is_recognised);
    EXPECT_EQ(set.class_names[7], "7");
    EXPECT_FALSE(set.mirror_keeps_class);
  }
}

TEST_F(Idx, TheUsersWordNamesThem) {
  DatasetPair pair = load_idx(directory_);
  take_users_word(pair, "");
  EXPECT_EQ(pair.train.name, "digits");
  take_users_word(pair, "Fashion-MNIST");
  for (const ImageDataset* set : {&pair.train, &pair.test}) {
    EXPECT_EQ(set->name, "Fashion-MNIST");
    EXPECT_EQ(set->class_names[9], "ankle boot");
    EXPECT_TRUE(set->mirror_keeps_class);
  }
  take_users_word(pair, "runes");
  EXPECT_EQ(pair.test.name, "runes");
  EXPECT_EQ(pair.test.class_names[9], "9");
  EXPECT_FALSE(pair.test.mirror_keeps_class);
}

TEST_F(Idx, ADirectoryWhoseNameIsNotUtf8IsHandedOnAsText) {
  const fs::path odd = scratch_ / "ziffern-\xe4\n";
  fs::rename(directory_, odd);
  const ImageDataset set = load_idx(odd).train;
  EXPECT_EQ(set.name, "ziffern-\\xe4\\n");
  EXPECT_EQ(path_of_text(set.directory), odd);
}

TEST_F(Idx, NamesMayHaveADot) {
  for (const char* prefix : {"train", "t10k"}) {
    for (const char* kind : {"images-idx3-ubyte", "labels-idx1-ubyte"}) {
      fs::rename(directory_ / (std::string(prefix) + "-" + kind),
                 directory_ / (std::string(prefix) + "." + kind));
    }
  }
  EXPECT_EQ(load_directory(directory_).train.count(), 20);
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
  std::string huge = good;
  huge.replace(4, 12, std::string("\xff\xff\xff\xff\0\0\0\1\0\0\0\1", 12));
  expect_images_error(huge, "4294967295 images of 1x1 pixels, expected at most 10000000 images");
  huge.replace(4, 12, std::string("\0\x98\x96\x80\0\0\0\1\0\0\0\1", 12));
  expect_images_error(huge, "truncated: 480 bytes of data, its header announces 10000000");
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

// 1.5 MB of gzip that unpack to 1.5 GB took 3.3 GiB of memory.
TEST_F(Idx, ACompressedFileIsJudgedByItsHeaderBeforeItIsUnpacked) {
  const std::string name = "train-images-idx3-ubyte";
  fs::remove(directory_ / name);
  const auto expect_gzip_error = [&](std::uint32_t count, std::uint32_t side,
                                     const std::string& part) {
    write_gzip(directory_ / (name + ".gz"), test::big_endian(0x803) + test::big_endian(count) +
                                                test::big_endian(side) + test::big_endian(side) +
                                                std::string(1 << 20, '\0'));
    expect_load_error(name + ".gz", part);
  };
  expect_gzip_error(1500, 1024, "expected at most 10000000 images and 536870912 bytes");
  expect_gzip_error(512, 1024, "cannot hold the 536870912 that its header announces");
}

TEST(FashionMnist, IsToldByItsFilesWhateverTheDirectory) {
  if (!fs::exists(kFashionMnistDirectory)) GTEST_SKIP() << "no package dataset-fashion-mnist";
  const TemporaryDirectory scratch;
  fs::create_directory(scratch / "mnist");
  for (const auto& entry : fs::directory_iterator(kFashionMnistDirectory)) {
    fs::create_symlink(entry.path(), scratch / "mnist" / entry.path().filename().string());
  }
  DatasetPair pair = load_idx(scratch / "mnist");
  EXPECT_EQ(pair.train.name, "Fashion-MNIST");
  EXPECT_TRUE(pair.test.is_recognised);
  EXPECT_EQ(pair.test.class_names[9], "ankle boot");
  EXPECT_TRUE(pair.test.mirror_keeps_class);
  take_users_word(pair, "MNIST");
  EXPECT_EQ(pair.train.name, "Fashion-MNIST") << "the files are known";
  // A part of the data set under the complete set's test files is still that data set.
  fs::remove(scratch / "mnist" / "train-images-idx3-ubyte.gz");
  fs::remove(scratch / "mnist" / "train-labels-idx1-ubyte.gz");
  write_bytes(scratch / "mnist" / "train-images-idx3-ubyte", idx_images(20, 28, 28, 1));
  write_bytes(scratch / "mnist" / "train-labels-idx1-ubyte", idx_labels(20));
  EXPECT_EQ(load_idx(scratch / "mnist").train.name, "Fashion-MNIST");
}

TEST(KnownFiles, AreFourOfEachDataSet) {
  const char* const mnist = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7";
  ASSERT_NE(dataset_of_file(mnist), nullptr);
  EXPECT_EQ(dataset_of_file(mnist)->name, "MNIST");
  EXPECT_FALSE(dataset_of_file(mnist)->mirror_keeps_class);
  EXPECT_EQ(dataset_of_file(std::string(64, '0')), nullptr);
  EXPECT_EQ(dataset_named("mnist"), nullptr) << "names are exact";
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
