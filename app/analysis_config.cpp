#include "app/analysis_config.h"

#include <cmath>

#include "engine/io/json.h"

namespace switchyard {
namespace {

template <class T>
void read_at_least(JsonObject& object, const std::string& field, T& value, T minimum) {
  value = object.optional<T>(field, value);
  if (value < minimum)
    object.fail(field, fmt::format("must be at least {}, got {}", minimum, value));
}

void read_positive(JsonObject& object, const std::string& field, double& value) {
  value = object.optional<double>(field, value);
  if (!(value > 0.0)) object.fail(field, fmt::format("must be positive, got {}", value));
}

void read_curvature(JsonObject object, CurvatureOptions& options) {
  read_at_least(object, "max_iterations", options.lanczos.max_iterations, 1);
  read_positive(object, "tolerance", options.lanczos.tolerance);
  read_at_least(object, "trace_samples", options.hutchinson.samples, 1);
  auto megabytes = static_cast<std::int64_t>(options.hessian.graph_memory_bytes / 1'000'000);
  read_at_least<std::int64_t>(object, "graph_memory_megabytes", megabytes, 0);
  options.hessian.graph_memory_bytes = static_cast<std::size_t>(megabytes) * 1'000'000;
  object.finish();
}

void read_perturbation(JsonObject object, PerturbationOptions& options) {
  read_positive(object, "eigenvector_limit", options.eigenvector_limit);
  read_positive(object, "random_limit", options.random_limit);
  read_at_least(object, "points", options.points, 3);
  if (options.points % 2 == 0) object.fail("points", "must be odd, so that 0 is among them");
  read_at_least(object, "random_directions", options.random_directions, 1);
  object.finish();
}

void read_efficiency(JsonObject object, EfficiencyOptions& options) {
  options.batch_sizes =
      object.optional<std::vector<std::int64_t>>("batch_sizes", options.batch_sizes);
  for (const std::int64_t size : options.batch_sizes) {
    if (size < 1) object.fail("batch_sizes", fmt::format("must be at least 1, got {}", size));
  }
  if (options.batch_sizes.empty()) object.fail("batch_sizes", "must not be empty");
  read_at_least(object, "warm_up", options.timing.warm_up, 0);
  read_at_least(object, "min_repeats", options.timing.min_repeats, 1);
  read_at_least(object, "max_repeats", options.timing.max_repeats, 1);
  read_positive(object, "target_seconds", options.timing.target_seconds);
  object.finish();
}

}  // namespace

AnalysisConfig parse_analysis_config(JsonObject object) {
  AnalysisConfig config;
  read_at_least<std::int64_t>(object, "images", config.images, 1);
  read_at_least<std::int64_t>(object, "batch_size", config.batch_size, 1);
  const auto dtype = object.optional<std::string>("dtype", std::string(name(config.dtype)));
  if (dtype != "float32" && dtype != "float64") {
    object.fail("dtype", fmt::format("must be float32 or float64, got '{}'", dtype));
  }
  config.dtype = parse_dtype(dtype);
  config.seed = object.optional<std::uint64_t>("seed", config.seed);
  read_curvature(object.optional_object("curvature"), config.curvature);
  read_perturbation(object.optional_object("perturbation"), config.perturbation);
  read_efficiency(object.optional_object("efficiency"), config.efficiency);
  object.finish();
  return config;
}

nlohmann::json to_json(const AnalysisConfig& config) {
  const CurvatureOptions& curvature = config.curvature;
  const PerturbationOptions& perturbation = config.perturbation;
  const TimingOptions& timing = config.efficiency.timing;
  return {{"images", config.images},
          {"batch_size", config.batch_size},
          {"dtype", name(config.dtype)},
          {"seed", config.seed},
          {"curvature",
           {{"max_iterations", curvature.lanczos.max_iterations},
            {"tolerance", curvature.lanczos.tolerance},
            {"trace_samples", curvature.hutchinson.samples},
            {"graph_memory_megabytes", curvature.hessian.graph_memory_bytes / 1'000'000}}},
          {"perturbation",
           {{"eigenvector_limit", perturbation.eigenvector_limit},
            {"random_limit", perturbation.random_limit},
            {"points", perturbation.points},
            {"random_directions", perturbation.random_directions}}},
          {"efficiency",
           {{"batch_sizes", config.efficiency.batch_sizes},
            {"warm_up", timing.warm_up},
            {"min_repeats", timing.min_repeats},
            {"max_repeats", timing.max_repeats},
            {"target_seconds", timing.target_seconds}}}};
}

}  // namespace switchyard
