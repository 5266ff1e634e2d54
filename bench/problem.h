#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bench/benchmark.h"
#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard::bench {

/// A model and random images to run it on. Its numbers are the same every time.
struct Problem {
  ModelConfig config;
  std::unique_ptr<Classifier> model;
  std::vector<Tensor> parameters;
  Batch batch;

  Problem(const BenchOptions& options, DType dtype);
  /// Calls `work` and waits until the device has done it: what a timing has to time.
  std::function<void()> to_its_end(std::function<void()> work) const;
  /// `images` random images in batches of that size, the last one maybe shorter.
  std::vector<Batch> batches(std::int64_t images) const;
  /// Mean cross-entropy of the batch in evaluation mode.
  Tensor loss() const;
};

/// ‖a - b‖ / ‖b‖ over all tensors; Error naming `what` where it exceeds `tolerance`.
void require_agreement(const std::string& what, const std::vector<Tensor>& a,
                       const std::vector<Tensor>& b, double tolerance);

}  // namespace switchyard::bench
