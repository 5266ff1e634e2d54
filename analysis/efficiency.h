#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/timing.h"
#include "models/classifier.h"
#include "models/multiply_adds.h"

namespace switchyard {

struct EfficiencyOptions {
  std::vector<std::int64_t> batch_sizes = {1, 16, 128};
  TimingOptions timing;
};

struct InferenceTiming {
  std::int64_t batch_size = 0;
  Timing latency;  ///< seconds per batch
};

struct Efficiency {
  std::int64_t parameters = 0;
  MultiplyAdds multiply_adds;  ///< per image
  int threads = 0;
  std::int64_t peak_resident_bytes = 0;
  std::vector<InferenceTiming> inference;  ///< as in batch_sizes
};

/// Latency of the model's InferencePlan on random images of `image_shape` [H, W, C], per batch
/// size, and the peak resident memory of this process during inference at the largest one (the
/// engine's cached blocks are returned first; whatever else the process holds counts too). Errors:
/// a model that is not float32, no batch size.
Efficiency measure_efficiency(Classifier& model, const Shape& image_shape,
                              EfficiencyOptions options = {});

/// The `inference` list of a results file.
nlohmann::json inference_json(const std::vector<InferenceTiming>& timings);
/// The `efficiency` object of a results file.
nlohmann::json to_json(const Efficiency& efficiency);

}  // namespace switchyard
