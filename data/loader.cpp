#include "data/loader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "data/prefetch.h"
#include "data/shuffle.h"
#include "engine/core/bfloat16.h"

namespace switchyard {
namespace {

constexpr std::int64_t kPadding = 4;
constexpr std::size_t kBatchesAhead = 2;

/// Says where an image is cut out of its padded self, and whether it is mirrored. The default is
/// the image itself.
struct Crop {
  std::int64_t top = kPadding;
  std::int64_t left = kPadding;
  bool mirror = false;
};

/// Draws the crop of the image at `position` in the epoch's order; a pure function of its
/// arguments.
Crop random_crop(const Generator& generator, std::int64_t position, bool may_mirror) {
  constexpr std::uint32_t kPlaces = 2 * kPadding + 1;
  const auto random = generator.block(static_cast<std::uint64_t>(position));
  return {random[0] % kPlaces, random[1] % kPlaces, may_mirror && (random[2] & 1U) != 0};
}

/// Height, width and channels of one image.
struct Extent {
  std::int64_t height, width, channels;
  std::int64_t pixels() const { return height * width; }
  std::int64_t bytes() const { return pixels() * channels; }
};

/// Copies the crop of `image` to `out` (both [H, W, C]); outside the image it is black.
void cut(const std::uint8_t* image, const Crop& crop, const Extent& extent, std::uint8_t* out) {
  const std::int64_t shift = crop.left - kPadding;
  const std::int64_t begin = std::max<std::int64_t>(0, -shift);
  const std::int64_t end = std::min(extent.width, extent.width - shift);
  const std::int64_t row_bytes = extent.width * extent.channels;
  std::memset(out, 0, static_cast<std::size_t>(extent.bytes()));
  for (std::int64_t y = 0; y < extent.height; ++y, out += row_bytes) {
    const std::int64_t source_y = y + crop.top - kPadding;
    if (source_y < 0 || source_y >= extent.height) continue;
    const std::uint8_t* row = image + source_y * row_bytes + (begin + shift) * extent.channels;
    for (std::int64_t x = begin; x < end; ++x, row += extent.channels) {
      const std::int64_t target = crop.mirror ? extent.width - 1 - x : x;
      std::copy_n(row, extent.channels, out + target * extent.channels);
    }
  }
}

/// Returns the normalised value for every byte and channel, [256, C], computed in T as PyTorch's
/// transforms do: first the division by 255, then mean and deviation.
template <class T>
std::vector<T> normalised_values(const ImageDataset& dataset) {
  std::vector<T> table;
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t channel = 0; channel < dataset.mean.size(); ++channel) {
      const T scaled = static_cast<T>(byte) / static_cast<T>(255);
      table.push_back((scaled - static_cast<T>(dataset.mean[channel])) /
                      static_cast<T>(dataset.deviation[channel]));
    }
  }
  return table;
}

/// Makes batches out of one data set.
class Assembler {
 public:
  Assembler(const ImageDataset& dataset, DType dtype)
      : images_(dataset.images),
        labels_(dataset.labels),
        extent_{images_.size(1), images_.size(2), images_.size(3)},
        dtype_(dtype) {
    check(std::ssize(dataset.mean) == extent_.channels &&
              std::ssize(dataset.deviation) == extent_.channels,
          "data set {}: {} channels, but mean and deviation of {} and {}", dataset.name,
          extent_.channels, dataset.mean.size(), dataset.deviation.size());
    if (dtype == DType::kFloat64) {
      doubles_ = normalised_values<double>(dataset);
    } else {
      check<UsageError>(dtype == DType::kFloat32 || dtype == DType::kBFloat16,
                        "batches are float32, float64 or bfloat16, not {}", name(dtype));
      floats_ = normalised_values<float>(dataset);
      for (const float value : floats_) rounded_.emplace_back(value);
    }
  }

  /// `crop_of(i)` is the crop of the batch's i-th image.
  template <class CropOf>
  Batch assemble(std::span<const std::int64_t> indices, CropOf crop_of) const {
    const auto count = std::ssize(indices);
    Batch batch{Tensor::empty({count, extent_.height, extent_.width, extent_.channels}, dtype_),
                Tensor::empty({count}, DType::kInt64)};
    std::vector<std::uint8_t> cropped(static_cast<std::size_t>(extent_.bytes()));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t index = indices[static_cast<std::size_t>(i)];
      batch.labels.data<std::int64_t>()[i] = labels_.data<std::int64_t>()[index];
      cut(images_.data<std::uint8_t>() + index * extent_.bytes(), crop_of(i), extent_,
          cropped.data());
      if (dtype_ == DType::kFloat32) {
        normalise(cropped, floats_, batch.images.data<float>() + i * extent_.bytes());
      } else if (dtype_ == DType::kBFloat16) {
        normalise(cropped, rounded_, batch.images.data<BFloat16>() + i * extent_.bytes());
      } else {
        normalise(cropped, doubles_, batch.images.data<double>() + i * extent_.bytes());
      }
    }
    return batch;
  }

 private:
  template <class T>
  void normalise(const std::vector<std::uint8_t>& bytes, const std::vector<T>& table,
                 T* out) const {
    const auto channels = static_cast<std::size_t>(extent_.channels);
    for (std::size_t i = 0; i < bytes.size(); i += channels) {
      for (std::size_t c = 0; c < channels; ++c) out[i + c] = table[bytes[i + c] * channels + c];
    }
  }

  Tensor images_;  // [N, H, W, C]
  Tensor labels_;  // [N]
  Extent extent_;
  DType dtype_;
  std::vector<float> floats_;      // [256, C], this or the last
  std::vector<BFloat16> rounded_;  // [256, C], floats_ rounded
  std::vector<double> doubles_;    // [256, C]
};

void check_indices(std::span<const std::int64_t> indices, const ImageDataset& dataset) {
  for (const std::int64_t index : indices) {
    check<UsageError>(index >= 0 && index < dataset.count(),
                      "image {} does not exist, data set {} has {}", index, dataset.name,
                      dataset.count());
  }
}

}  // namespace

struct BatchLoader::State {
  State(const ImageDataset& dataset, std::vector<std::int64_t> chosen, LoaderOptions how,
        Generator random)
      : assembler(dataset, how.dtype),
        indices(std::move(chosen)),
        options(how),
        may_mirror(dataset.mirror_keeps_class),
        generator(random) {}

  Assembler assembler;
  std::vector<std::int64_t> indices;
  LoaderOptions options;
  bool may_mirror;
  Generator generator;
  std::unique_ptr<Prefetcher<Batch>> epoch;  // last: its thread reads the rest
};

BatchLoader::BatchLoader(const ImageDataset& dataset, std::vector<std::int64_t> indices,
                         LoaderOptions options, Generator generator) {
  check<UsageError>(options.batch_size >= 1, "batch size {}, expected at least 1",
                    options.batch_size);
  check_indices(indices, dataset);
  state_ = std::make_unique<State>(dataset, std::move(indices), options, generator);
}

BatchLoader::~BatchLoader() = default;
BatchLoader::BatchLoader(BatchLoader&&) noexcept = default;
BatchLoader& BatchLoader::operator=(BatchLoader&&) noexcept = default;

void BatchLoader::start_epoch(std::int64_t epoch) {
  State& state = *state_;
  state.epoch.reset();
  const Generator random = state.generator.fork(static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> order = state.indices;
  if (state.options.shuffle) {
    const auto permutation = random_permutation(std::ssize(order), random.fork(0));
    std::ranges::transform(permutation, order.begin(), [&](std::int64_t i) {
      return state.indices[static_cast<std::size_t>(i)];
    });
  }
  const auto produce = [&state, order = std::move(order), augmentation = random.fork(1),
                        first = std::int64_t{0}, end = images()]() mutable -> std::optional<Batch> {
    if (first >= end) return std::nullopt;
    const std::int64_t count = std::min(state.options.batch_size, end - first);
    const auto crop_of = [&](std::int64_t i) {
      return state.options.augment ? random_crop(augmentation, first + i, state.may_mirror)
                                   : Crop{};
    };
    const std::span all(order);
    Batch batch = state.assembler.assemble(
        all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), crop_of);
    first += count;
    return batch;
  };
  state.epoch = std::make_unique<Prefetcher<Batch>>(produce, kBatchesAhead);
}

std::optional<Batch> BatchLoader::next() {
  check(state_->epoch != nullptr, "BatchLoader::next() before start_epoch()");
  return state_->epoch->next();
}

std::int64_t BatchLoader::batches() const {
  const std::int64_t size = state_->options.batch_size;
  return images() / size + (images() % size != 0 ? 1 : 0);
}

std::int64_t BatchLoader::images() const {
  const std::int64_t count = std::ssize(state_->indices);
  return state_->options.drop_last ? count - count % state_->options.batch_size : count;
}

Batch whole_batch(const ImageDataset& dataset, std::span<const std::int64_t> indices, DType dtype) {
  check_indices(indices, dataset);
  return Assembler(dataset, dtype).assemble(indices, [](std::int64_t) { return Crop{}; });
}

}  // namespace switchyard
