#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "engine/core/random.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Images that go through the model together.
struct Batch {
  Tensor images;  ///< [n, H, W, C] float32 or float64: (pixel / 255 - mean) / deviation
  Tensor labels;  ///< [n] int64
};

/// Copies the batch to another device.
inline Batch to_device(const Batch& batch, Device device) {
  return {batch.images.to(device), batch.labels.to(device)};
}

struct LoaderOptions {
  std::int64_t batch_size = 128;
  bool shuffle = true;
  /// Random crop of the image padded by 4 black pixels on each side, and a mirror image half of the
  /// time where that keeps the class (He et al., 2015, section 4.2).
  bool augment = false;
  bool drop_last = false;  ///< leave out a last batch that is not full
  DType dtype = DType::kFloat32;
};

/// Hands out the batches of one epoch after another; a thread prepares the next ones meanwhile.
///
/// Order and augmentation are a pure function of the generator's seed and the epoch's number: a
/// program that resumes at an epoch's start sees the same bits, whatever ran before. Not
/// thread-safe.
class BatchLoader {
 public:
  /// `indices` says which images belong to an epoch. UsageError for an index out of range, a batch
  /// size below 1 or a dtype that is not float32 or float64.
  BatchLoader(const ImageDataset& dataset, std::vector<std::int64_t> indices, LoaderOptions options,
              Generator generator);
  ~BatchLoader();
  BatchLoader(BatchLoader&&) noexcept;
  BatchLoader& operator=(BatchLoader&&) noexcept;

  /// Begins `epoch` from its first batch; what is left of an epoch under way is dropped.
  void start_epoch(std::int64_t epoch);
  /// The next batch; nothing after the epoch's last. Rethrows what went wrong in the thread. Error
  /// before the first start_epoch().
  std::optional<Batch> next();

  /// Batches in an epoch.
  std::int64_t batches() const;
  /// Images in an epoch, without those that drop_last leaves out.
  std::int64_t images() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The images at `indices`, in that order, normalised and not augmented.
Batch whole_batch(const ImageDataset& dataset, std::span<const std::int64_t> indices, DType dtype);

}  // namespace switchyard
