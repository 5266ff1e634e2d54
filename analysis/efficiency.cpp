#include "analysis/efficiency.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/process_memory.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/core/threads.h"
#include "models/inference.h"
#include "models/state.h"

namespace switchyard {
namespace {

Tensor random_images(const Shape& image_shape, std::int64_t batch, const Classifier& model) {
  Generator random(1);
  const Shape shape{batch, image_shape[0], image_shape[1], image_shape[2]};
  return random_normal(shape, DType::kFloat32, random.next(shape.numel()), model.device());
}

InferenceTiming time_inference(Classifier& model, const Shape& image_shape, std::int64_t batch,
                               const TimingOptions& timing) {
  InferencePlan plan(model, batch, image_shape[0], image_shape[1]);
  const Tensor images = random_images(image_shape, batch, model);
  const auto run = [&] {
    plan.logits(images);
    synchronise(model.device());
  };
  return {batch, measure(run, timing)};
}

}  // namespace

Efficiency measure_efficiency(Classifier& model, const Shape& image_shape,
                              EfficiencyOptions options) {
  check<UsageError>(!options.batch_sizes.empty(), "[efficiency] needs at least one batch size");
  check(image_shape.rank() == 3, "[efficiency] an image is [H, W, C], got {}", image_shape);
  const NoGrad no_grad;
  Efficiency result;
  result.threads = thread_count();
  result.parameters = parameter_count(model);
  result.multiply_adds = multiply_adds(model.config(), image_shape[0], image_shape[1]);
  const std::int64_t largest =
      *std::max_element(options.batch_sizes.begin(), options.batch_sizes.end());
  reset_peak_resident_bytes();
  const TimingOptions once{.warm_up = 0, .min_repeats = 1, .max_repeats = 1};
  time_inference(model, image_shape, largest, once);
  result.peak_resident_bytes = peak_resident_bytes();
  for (std::int64_t batch : options.batch_sizes) {
    result.inference.push_back(time_inference(model, image_shape, batch, options.timing));
  }
  return result;
}

nlohmann::json inference_json(const std::vector<InferenceTiming>& timings) {
  nlohmann::json inference = nlohmann::json::array();
  for (const auto& [batch_size, latency] : timings) {
    inference.push_back({{"batch_size", batch_size},
                         {"repeats", latency.seconds.size()},
                         {"throughput", static_cast<double>(batch_size) / latency.median()},
                         {"latency_ms", to_json_milliseconds(latency)}});
  }
  return inference;
}

nlohmann::json to_json(const Efficiency& efficiency) {
  return {{"parameters", efficiency.parameters},
          {"multiply_adds", efficiency.multiply_adds.total()},
          {"routed_share", efficiency.multiply_adds.routed_share()},
          {"threads", efficiency.threads},
          {"peak_resident_bytes", efficiency.peak_resident_bytes},
          {"inference", inference_json(efficiency.inference)}};
}

}  // namespace switchyard
