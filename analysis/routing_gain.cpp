#include "analysis/routing_gain.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "analysis/moe_bench/variant_names.h"
#include "analysis/token_layers.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/core/threads.h"
#include "kernels/api/host_clock.h"
#include "kernels/api/rung_scope.h"
#include "models/backbone.h"
#include "models/head.h"
#include "models/inference.h"

namespace switchyard {
namespace {

using Call = std::function<void()>;
using kernels::RungOfKernel;

/// What is timed: in one way, or where it routes in each of kVariants.
struct Subject {
  std::string name;
  MultiplyAdds multiply_adds;
  std::function<Call(std::int64_t batch)> prepare;  ///< makes a call for a batch size
};

/// The published loop over the experts, and the kernels that fuse it away.
constexpr const char* kVariants[] = {"mask_loop", "fused"};

std::vector<std::string> variants_of(const Subject& subject) {
  if (subject.multiply_adds.routed == 0.0) return {""};
  return {std::begin(kVariants), std::end(kVariants)};
}

/// A call with its rungs, which are chosen outside the time that is taken.
struct Turn {
  Call call;
  std::vector<RungOfKernel> rungs;
  std::string device;
  GainEntry* entry;

  double seconds() const {
    const kernels::RungScope scope(device, rungs);
    return kernels::host_seconds(call);
  }
  /// Whether a call runs one of the rungs; true where it needs none.
  bool is_taken() const {
    if (entry->variant.empty()) return true;
    if (rungs.empty()) return false;
    const kernels::RungScope scope(device, rungs);
    call();
    return scope.taken() > 0;
  }
};

/// Turns of all subjects at one batch size, in the order of the scope's entries.
std::vector<Turn> turns_of(const std::vector<Subject>& subjects, std::int64_t batch, Device device,
                           GainScope& scope) {
  std::vector<Turn> turns;
  std::size_t place = 0;
  for (const Subject& subject : subjects) {
    const Call call = subject.prepare(batch);
    for (const std::string& variant : variants_of(subject)) {
      std::vector<RungOfKernel> rungs;
      if (!variant.empty()) rungs = moe_bench::rungs_of_technique(device, "moe_", variant);
      Turn turn = {call, std::move(rungs), std::string(name(device)), &scope.entries[place++]};
      if (turn.is_taken()) turns.push_back(std::move(turn));
    }
  }
  return turns;
}

GainScope measure_scope(const std::string& name, const std::vector<Subject>& subjects,
                        Device device, const EfficiencyOptions& options) {
  GainScope scope = {.scope = name, .entries = {}};
  for (const Subject& subject : subjects) {
    for (const std::string& variant : variants_of(subject)) {
      scope.entries.push_back({subject.name, variant, subject.multiply_adds, {}});
    }
  }
  for (const std::int64_t batch : options.batch_sizes) {
    const std::vector<Turn> turns = turns_of(subjects, batch, device, scope);
    std::vector<Sample> samples;
    for (const Turn& turn : turns) samples.emplace_back([&turn] { return turn.seconds(); });
    const std::vector<Timing> timings = sample_in_turns(samples, options.timing);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      turns[i].entry->inference.push_back({batch, timings[i]});
    }
  }
  std::erase_if(scope.entries, [](const GainEntry& entry) { return entry.inference.empty(); });
  return scope;
}

Tensor normal(const Shape& shape, Device device) {
  return random_normal(shape, DType::kFloat32, Generator(1).next(shape.numel()), device);
}

std::vector<Subject> whole_models(const std::vector<NamedModel>& models, const Shape& image) {
  std::vector<Subject> subjects;
  for (const auto& [name, model] : models) {
    const auto prepare = [model = model, image](std::int64_t batch) -> Call {
      const auto plan = std::make_shared<InferencePlan>(*model, batch, image[0], image[1]);
      const Tensor images = normal({batch, image[0], image[1], image[2]}, model->device());
      return [plan, images, device = model->device()] {
        plan->logits(images);
        synchronise(device);
      };
    };
    subjects.push_back({name, multiply_adds(model->config(), image[0], image[1]), prepare});
  }
  return subjects;
}

std::vector<Subject> heads_alone(const std::vector<NamedModel>& models) {
  std::vector<Subject> subjects;
  for (const auto& [name, model] : models) {
    if (model->backbone().moe_block() != nullptr) continue;
    const std::int64_t features = model->backbone().features();
    const auto prepare = [model = model, features](std::int64_t batch) -> Call {
      const Tensor x = normal({batch, features}, model->device());
      return [model, x, device = model->device()] {
        model->head().forward(x, nn::Mode::evaluation());
        synchronise(device);
      };
    };
    subjects.push_back({name, head_multiply_adds(model->config().head, features), prepare});
  }
  return subjects;
}

std::vector<Subject> token_layers(Device device) {
  std::vector<Subject> subjects;
  for (const TokenLayer& layer : make_token_layers(device)) {
    const auto prepare = [layer, device](std::int64_t batch) -> Call {
      const Tensor x = normal({batch, kTokensOfImage, kTokenWidth}, device);
      return [layer, x, device] {
        layer.forward(x);
        synchronise(device);
      };
    };
    subjects.push_back({layer.name, layer.multiply_adds, prepare});
  }
  return subjects;
}

nlohmann::json to_json(const GainEntry& entry) {
  return {{"name", entry.name},
          {"variant", entry.variant},
          {"multiply_adds", entry.multiply_adds.total()},
          {"routed_share", entry.multiply_adds.routed_share()},
          {"inference", inference_json(entry.inference)}};
}

}  // namespace

std::vector<GainScope> measure_routing_gain(const std::vector<NamedModel>& models,
                                            const Shape& image_shape,
                                            const EfficiencyOptions& options) {
  check(!models.empty(), "[routing_gain] needs at least one model");
  check<UsageError>(!options.batch_sizes.empty(), "[routing_gain] needs at least one batch size");
  check(image_shape.rank() == 3, "[routing_gain] an image is [H, W, C], got {}", image_shape);
  const NoGrad no_grad;
  const Device device = models.front().model->device();
  std::vector<GainScope> scopes;
  const auto add = [&](const char* name, const std::vector<Subject>& subjects) {
    if (!subjects.empty()) scopes.push_back(measure_scope(name, subjects, device, options));
  };
  add("model", whole_models(models, image_shape));
  add("head", heads_alone(models));
  add("layer", token_layers(device));
  return scopes;
}

nlohmann::json to_json(const std::vector<GainScope>& scopes) {
  nlohmann::json list = nlohmann::json::array();
  for (const GainScope& scope : scopes) {
    nlohmann::json entries = nlohmann::json::array();
    for (const GainEntry& entry : scope.entries) entries.push_back(to_json(entry));
    list.push_back({{"scope", scope.scope}, {"entries", std::move(entries)}});
  }
  return {{"threads", thread_count()}, {"scopes", std::move(list)}};
}

}  // namespace switchyard
