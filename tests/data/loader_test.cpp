#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "data/shuffle.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using test::expect_error;
using test::expect_same_bits;
using Indices = std::vector<std::int64_t>;

/// Random images without black pixels, so that padding can be told from content; labels are the
/// images' own numbers.
ImageDataset random_images(std::int64_t count, std::int64_t height, std::int64_t width,
                           std::vector<double> mean, std::vector<double> deviation) {
  ImageDataset set;
  set.name = "random";
  set.classes = count;
  set.mean = std::move(mean);
  set.deviation = std::move(deviation);
  set.images = Tensor::empty({count, height, width, std::ssize(set.mean)}, DType::kUInt8);
  set.labels = Tensor::empty({count}, DType::kInt64);
  std::mt19937 random(11);
  for (std::int64_t i = 0; i < set.images.numel(); ++i) {
    set.images.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(1 + random() % 255);
  }
  std::iota(set.labels.data<std::int64_t>(), set.labels.data<std::int64_t>() + count, 0);
  return set;
}

ImageDataset colour_images(std::int64_t count) {
  return random_images(count, 8, 8, {0.5, 0.4, 0.3}, {0.25, 0.2, 0.3});
}

Indices first_indices(std::int64_t count) {
  Indices indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

std::vector<Batch> run_epoch(BatchLoader& loader, std::int64_t epoch) {
  std::vector<Batch> batches;
  loader.start_epoch(epoch);
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

Indices labels_of(const std::vector<Batch>& batches) {
  Indices labels;
  for (const Batch& batch : batches) {
    const auto span = batch.labels.span<std::int64_t>();
    labels.insert(labels.end(), span.begin(), span.end());
  }
  return labels;
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    expect_same_bits(a[i].images, b[i].images);
    expect_same_bits(a[i].labels, b[i].labels);
  }
}

TEST(RandomPermutation, IsAPermutationThatDependsOnTheSeedOnly) {
  Indices order = random_permutation(1000, Generator(3));
  EXPECT_EQ(order, random_permutation(1000, Generator(3, 99)));
  EXPECT_NE(order, random_permutation(1000, Generator(4)));
  std::ranges::sort(order);
  EXPECT_EQ(order, first_indices(1000));
  EXPECT_TRUE(random_permutation(0, Generator(3)).empty());
}

TEST(RandomPermutation, EveryPlaceIsEquallyLikely) {
  constexpr int kRounds = 6000;
  std::array<std::array<int, 5>, 5> counts{};
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    const Indices order = random_permutation(5, Generator(seed));
    for (std::size_t place = 0; place < 5; ++place) {
      ++counts.at(place).at(static_cast<std::size_t>(order[place]));
    }
  }
  // Binomial with mean 1200 and deviation 31: five deviations.
  for (const auto& row : counts) {
    for (const int count : row) EXPECT_NEAR(count, kRounds / 5, 155);
  }
}

TEST(Split, CutsAscendingPartsThatDependOnTheSeed) {
  const Split split = split_train_validation(50'000, 5'000, 1);
  EXPECT_EQ(split.train.size(), 45'000U);
  EXPECT_EQ(split.validation.size(), 5'000U);
  EXPECT_TRUE(std::ranges::is_sorted(split.train));
  EXPECT_TRUE(std::ranges::is_sorted(split.validation));
  Indices all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  std::ranges::sort(all);
  EXPECT_EQ(all, first_indices(50'000));
  EXPECT_EQ(split_train_validation(50'000, 5'000, 1).validation, split.validation);
  EXPECT_NE(split_train_validation(50'000, 5'000, 2).validation, split.validation);
  EXPECT_EQ(split_train_validation(10, 0, 1).train, first_indices(10));
  expect_error<UsageError>([] { split_train_validation(10, 10, 1); }, "cannot keep 10 of 10");
  expect_error<UsageError>([] { split_train_validation(10, -1, 1); }, "cannot keep -1 of 10");
}

TEST(WholeBatch, NormalisesAsItsDefinitionSays) {
  const ImageDataset set = colour_images(5);
  const Indices indices = {4, 0, 4};
  const Batch batch = whole_batch(set, indices, DType::kFloat64);
  ASSERT_EQ(batch.images.shape(), (Shape{3, 8, 8, 3}));
  EXPECT_EQ(batch.labels.to_doubles(), (std::vector<double>{4, 0, 4}));
  const std::vector<double> bytes = set.images.to_doubles();
  std::vector<double> expected;
  for (const std::int64_t index : indices) {
    for (std::size_t i = 0; i < 192; ++i) {
      const double byte = bytes[static_cast<std::size_t>(index) * 192 + i];
      expected.push_back((byte / 255 - set.mean[i % 3]) / set.deviation[i % 3]);
    }
  }
  test::expect_close(batch.images, expected, 1e-15);
  test::expect_close(whole_batch(set, indices, DType::kFloat32).images, expected, 1e-6);
}

TEST(WholeBatch, RefusesWhatDoesNotExist) {
  const ImageDataset set = colour_images(5);
  expect_error<UsageError>([&] { whole_batch(set, Indices{5}, DType::kFloat32); },
                           "image 5 does not exist, data set random has 5");
  expect_error<UsageError>([&] { whole_batch(set, Indices{0}, DType::kInt64); },
                           "float32, float64 or bfloat16, not int64");
}

TEST(BatchLoader, WithoutShufflingKeepsTheGivenOrder) {
  const ImageDataset set = colour_images(10);
  const Indices indices = {9, 2, 5, 0, 1, 7, 3};
  BatchLoader loader(set, indices, {.batch_size = 3, .shuffle = false}, Generator(1));
  const std::vector<Batch> batches = run_epoch(loader, 0);
  EXPECT_EQ(loader.batches(), 3);
  EXPECT_EQ(loader.images(), 7);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(batches[2].images.size(0), 1);
  EXPECT_EQ(labels_of(batches), indices);
  expect_same_bits(batches[1].images, whole_batch(set, Indices{0, 1, 7}, DType::kFloat32).images);
}

TEST(BatchLoader, TakesTheLargestBatchSizeThereIs) {
  const ImageDataset set = colour_images(4);
  BatchLoader loader(set, first_indices(4),
                     {.batch_size = std::numeric_limits<std::int64_t>::max()}, Generator(1));
  EXPECT_EQ(loader.batches(), 1);
  EXPECT_EQ(run_epoch(loader, 0).size(), 1U);
}

TEST(BatchLoader, DropsAnIncompleteBatchIfAsked) {
  const ImageDataset set = colour_images(7);
  BatchLoader loader(set, first_indices(7), {.batch_size = 3, .drop_last = true}, Generator(1));
  EXPECT_EQ(loader.batches(), 2);
  EXPECT_EQ(loader.images(), 6);
  EXPECT_EQ(run_epoch(loader, 0).size(), 2U);
  BatchLoader none(set, {}, {.batch_size = 3}, Generator(1));
  EXPECT_EQ(none.batches(), 0);
  EXPECT_TRUE(run_epoch(none, 0).empty());
}

TEST(BatchLoader, ShufflesEachEpochAnew) {
  const ImageDataset set = colour_images(40);
  Indices indices = first_indices(40);
  indices.erase(indices.begin() + 10, indices.begin() + 20);
  BatchLoader loader(set, indices, {.batch_size = 8}, Generator(1));
  Indices first = labels_of(run_epoch(loader, 1));
  Indices second = labels_of(run_epoch(loader, 2));
  EXPECT_NE(first, indices);
  EXPECT_NE(first, second);
  std::ranges::sort(first);
  std::ranges::sort(second);
  EXPECT_EQ(first, indices);
  EXPECT_EQ(second, indices);
}

TEST(BatchLoader, AnEpochIsAFunctionOfSeedAndNumberOnly) {
  const ImageDataset set = colour_images(30);
  const LoaderOptions options{.batch_size = 4, .augment = true};
  BatchLoader loader(set, first_indices(30), options, Generator(5));
  run_epoch(loader, 0);
  loader.start_epoch(1);
  loader.next();  // leave an epoch in the middle
  const std::vector<Batch> third = run_epoch(loader, 3);
  BatchLoader other(set, first_indices(30), options, Generator(5, 1234));
  expect_same(third, run_epoch(other, 3));
  EXPECT_NE(labels_of(third), labels_of(run_epoch(other, 4)));
  BatchLoader another_seed(set, first_indices(30), options, Generator(6));
  EXPECT_NE(labels_of(third), labels_of(run_epoch(another_seed, 3)));
}

/// (top, left, mirror) of the crop of image `label` that `pixels` is, or nothing.
std::optional<std::array<int, 3>> find_crop(const ImageDataset& set, std::int64_t label,
                                            std::span<const double> pixels) {
  constexpr int kSide = 8;
  const auto* image = set.images.data<std::uint8_t>() + label * kSide * kSide;
  const auto matches = [&](int top, int left, int mirror) {
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const int from_y = y + top - 4;
        const int from_x = (mirror != 0 ? kSide - 1 - x : x) + left - 4;
        const bool inside = from_y >= 0 && from_y < kSide && from_x >= 0 && from_x < kSide;
        const double byte = inside ? image[from_y * kSide + from_x] : 0;
        const double expected = (byte / 255 - set.mean[0]) / set.deviation[0];
        if (std::abs(pixels[static_cast<std::size_t>(y * kSide + x)] - expected) > 1e-12) {
          return false;
        }
      }
    }
    return true;
  };
  for (int top = 0; top <= 8; ++top) {
    for (int left = 0; left <= 8; ++left) {
      for (int mirror = 0; mirror < 2; ++mirror) {
        if (matches(top, left, mirror)) return std::array{top, left, mirror};
      }
    }
  }
  return std::nullopt;
}

TEST(BatchLoader, AugmentationIsACropOfThePaddedImageMirroredHalfOfTheTime) {
  ImageDataset set = random_images(600, 8, 8, {0.4}, {0.3});
  const LoaderOptions options{.batch_size = 64, .augment = true, .dtype = DType::kFloat64};
  for (const bool may_mirror : {true, false}) {
    set.mirror_keeps_class = may_mirror;
    BatchLoader loader(set, first_indices(600), options, Generator(2));
    std::map<int, int> tops;
    std::map<int, int> lefts;
    int mirrored = 0;
    for (const Batch& batch : run_epoch(loader, 0)) {
      const auto pixels = batch.images.span<double>();
      for (std::size_t i = 0; i < static_cast<std::size_t>(batch.labels.numel()); ++i) {
        const auto crop =
            find_crop(set, batch.labels.span<std::int64_t>()[i], pixels.subspan(i * 64, 64));
        ASSERT_TRUE(crop.has_value()) << "not a crop of the image";
        ++tops[(*crop)[0]];
        ++lefts[(*crop)[1]];
        mirrored += (*crop)[2];
      }
    }
    // 600 draws: 66.7 +- 7.7 for each of nine places, 300 +- 12.2 mirrored; five deviations.
    for (int place = 0; place <= 8; ++place) {
      EXPECT_NEAR(tops[place], 66.7, 39);
      EXPECT_NEAR(lefts[place], 66.7, 39);
    }
    if (may_mirror) {
      EXPECT_NEAR(mirrored, 300, 62);
    } else {
      EXPECT_EQ(mirrored, 0);
    }
  }
}

TEST(BatchLoader, CanBeMovedAndDestroyedInTheMiddle) {
  const ImageDataset set = colour_images(50);
  for (int taken = 0; taken < 5; ++taken) {
    BatchLoader first(set, first_indices(50), {.batch_size = 5}, Generator(1));
    first.start_epoch(0);
    for (int i = 0; i < taken; ++i) first.next();
    BatchLoader second = std::move(first);
    EXPECT_TRUE(second.next().has_value());
  }
}

TEST(BatchLoader, RefusesBadArguments) {
  const ImageDataset set = colour_images(5);
  expect_error<UsageError>([&] { BatchLoader(set, {0}, {.batch_size = 0}, Generator(1)); },
                           "batch size 0");
  expect_error<UsageError>(
      [&] {
        BatchLoader(set, {0, -1}, {}, Generator(1));
      },
      "image -1 does not exist");
  BatchLoader loader(set, {0}, {}, Generator(1));
  expect_error([&] { loader.next(); }, "before start_epoch()");
  ImageDataset grey = set;
  grey.mean = {0.5};
  expect_error([&] { BatchLoader(grey, {0}, {}, Generator(1)); }, "3 channels, but mean");
}

}  // namespace
}  // namespace switchyard
