#include "app/analysis_config.h"

#include <algorithm>
#include <cmath>

#include "engine/io/json.h"
#include "training/train_config.h"

namespace switchyard {
namespace {

// Bounds what an analysis may ask for: far above any use, low enough that nothing computed of it
// overflows.
constexpr int kMaxIterations = 100'000;
constexpr int kMaxSamples = 1'000'000;
constexpr int kMaxPoints = 100'001;
constexpr int kMaxDirections = 100'000;
constexpr int kMaxSurfacePoints = 1'001;
constexpr std::size_t kMaxLengths = 1'000;  // of radii, of sigmas
constexpr int kMaxRepeats = 1'000'000;
constexpr std::size_t kMaxBatchSizes = 100;
constexpr std::size_t kMaxRequests = 100;
constexpr std::int64_t kMaxMegabytes = 100'000'000;
constexpr std::size_t kMegabyte = 1'000'000;

template <class T>
void read_integer(JsonObject& object, const std::string& field, T& value,
                  std::type_identity_t<T> minimum, std::type_identity_t<T> maximum) {
  value = object.bounded_or(field, value, minimum, maximum);
}

void read_positive(JsonObject& object, const std::string& field, double& value) {
  value = object.optional<double>(field, value);
  if (!(value > 0.0)) object.fail(field, fmt::format("must be positive, got {}", value));
}

void read_curvature(JsonObject object, CurvatureOptions& options) {
  read_integer(object, "max_iterations", options.lanczos.max_iterations, 1, kMaxIterations);
  read_positive(object, "tolerance", options.lanczos.tolerance);
  read_integer(object, "trace_samples", options.hutchinson.samples, 1, kMaxSamples);
  options.hutchinson.tolerance = object.optional("trace_tolerance", options.hutchinson.tolerance);
  if (!(options.hutchinson.tolerance >= 0.0))
    object.fail("trace_tolerance", "must not be negative");
  read_integer(object, "density_probes", options.density.probes, 1, kMaxSamples);
  read_integer(object, "density_steps", options.density.steps, 1, kMaxIterations);
  const char* graphs = "graph_memory_megabytes";  // null: asked of the system
  if (!object.optional<nlohmann::json>(graphs, nullptr).is_null()) {
    const auto megabytes = object.bounded<std::int64_t>(graphs, 0, kMaxMegabytes);
    options.graph_memory_bytes = static_cast<std::size_t>(megabytes) * kMegabyte;
  }
  object.finish();
}

/// An odd number of points, so that 0 is among them.
void read_points(JsonObject& object, const std::string& field, int& points, int minimum,
                 int maximum) {
  read_integer(object, field, points, minimum, maximum);
  if (points % 2 == 0 && points > 0) object.fail(field, "must be odd, so that 0 is among them");
}

/// Radii or standard deviations: positive and ascending; none leaves the measurement out.
void read_lengths(JsonObject& object, const std::string& field, std::vector<double>& lengths) {
  lengths = object.optional<std::vector<double>>(field, lengths);
  if (lengths.size() > kMaxLengths) {
    object.fail(field, fmt::format("must be at most {} numbers", kMaxLengths));
  }
  for (const double length : lengths) {
    if (!(length > 0.0)) object.fail(field, fmt::format("must be positive, got {}", length));
  }
  if (std::ranges::adjacent_find(lengths, std::greater_equal<>()) != lengths.end()) {
    object.fail(field, "must be ascending");
  }
}

void read_requests(JsonObject& object, std::vector<HessianRequest>& requests) {
  for (JsonObject& request : object.optional_objects("hessian")) {
    requests.push_back(parse_hessian_request(std::move(request)));
  }
  if (requests.size() > kMaxRequests) {
    object.fail("hessian", fmt::format("must be at most {} measurements", kMaxRequests));
  }
}

void read_perturbation(JsonObject object, PerturbationOptions& options) {
  read_positive(object, "eigenvector_limit", options.eigenvector_limit);
  read_positive(object, "random_limit", options.random_limit);
  read_points(object, "points", options.points, 3, kMaxPoints);
  read_integer(object, "random_directions", options.random_directions, 1, kMaxDirections);
  read_integer(object, "eigenvectors", options.eigenvectors, 1, kMaxIterations);
  options.gradient = object.optional("gradient", options.gradient);
  read_points(object, "surface_points", options.surface_points, 0, kMaxSurfacePoints);
  if (options.surface_points == 1) object.fail("surface_points", "must be 0 or at least 3, got 1");
  read_positive(object, "surface_limit", options.surface_limit);
  read_lengths(object, "radii", options.worst_case.radii);
  read_integer(object, "ascent_steps", options.worst_case.steps, 0, kMaxIterations);
  read_lengths(object, "noise_sigmas", options.noise.sigmas);
  read_integer(object, "noise_pairs", options.noise.pairs, 1, kMaxSamples);
  object.finish();
}

void read_efficiency(JsonObject object, EfficiencyOptions& options) {
  options.batch_sizes =
      object.optional<std::vector<std::int64_t>>("batch_sizes", options.batch_sizes);
  for (const std::int64_t size : options.batch_sizes) {
    if (size < 1 || size > kMaxBatchSize) {
      object.fail("batch_sizes", fmt::format("must be from 1 to {}, got {}", kMaxBatchSize, size));
    }
  }
  if (options.batch_sizes.size() > kMaxBatchSizes) {
    object.fail("batch_sizes", fmt::format("must be at most {} sizes", kMaxBatchSizes));
  }
  if (options.batch_sizes.empty()) object.fail("batch_sizes", "must not be empty");
  read_integer(object, "warm_up", options.timing.warm_up, 0, kMaxRepeats);
  read_integer(object, "min_repeats", options.timing.min_repeats, 1, kMaxRepeats);
  read_integer(object, "max_repeats", options.timing.max_repeats, 1, kMaxRepeats);
  read_positive(object, "target_seconds", options.timing.target_seconds);
  object.finish();
}

nlohmann::json megabytes_or_null(const std::optional<std::size_t>& bytes) {
  return bytes ? nlohmann::json(*bytes / kMegabyte) : nlohmann::json();
}

}  // namespace

AnalysisConfig parse_analysis_config(JsonObject object) {
  AnalysisConfig config;
  config.weights = parse_run_weights(
      object.choice("weights", std::string(name(config.weights)), {"best", "last"}));
  read_integer(object, "images", config.images, 1, kMaxImages);
  read_integer(object, "batch_size", config.batch_size, 1, kMaxBatchSize);
  config.dtype =
      parse_dtype(object.choice("dtype", std::string(name(config.dtype)), {"float32", "float64"}));
  config.seed = object.optional<std::uint64_t>("seed", config.seed);
  read_curvature(object.optional_object("curvature"), config.curvature);
  read_requests(object, config.hessian);
  read_perturbation(object.optional_object("perturbation"), config.perturbation);
  read_efficiency(object.optional_object("efficiency"), config.efficiency);
  object.finish();
  return config;
}

nlohmann::json to_json(const AnalysisConfig& config) {
  const CurvatureOptions& curvature = config.curvature;
  const PerturbationOptions& perturbation = config.perturbation;
  const TimingOptions& timing = config.efficiency.timing;
  nlohmann::json requests = nlohmann::json::array();
  for (const HessianRequest& request : config.hessian) requests.push_back(to_json(request));
  return {{"weights", name(config.weights)},
          {"images", config.images},
          {"batch_size", config.batch_size},
          {"dtype", name(config.dtype)},
          {"seed", config.seed},
          {"curvature",
           {{"max_iterations", curvature.lanczos.max_iterations},
            {"tolerance", curvature.lanczos.tolerance},
            {"trace_samples", curvature.hutchinson.samples},
            {"trace_tolerance", curvature.hutchinson.tolerance},
            {"density_probes", curvature.density.probes},
            {"density_steps", curvature.density.steps},
            {"graph_memory_megabytes", megabytes_or_null(curvature.graph_memory_bytes)}}},
          {"hessian", requests},
          {"perturbation",
           {{"eigenvector_limit", perturbation.eigenvector_limit},
            {"random_limit", perturbation.random_limit},
            {"points", perturbation.points},
            {"random_directions", perturbation.random_directions},
            {"eigenvectors", perturbation.eigenvectors},
            {"gradient", perturbation.gradient},
            {"surface_points", perturbation.surface_points},
            {"surface_limit", perturbation.surface_limit},
            {"radii", perturbation.worst_case.radii},
            {"ascent_steps", perturbation.worst_case.steps},
            {"noise_sigmas", perturbation.noise.sigmas},
            {"noise_pairs", perturbation.noise.pairs}}},
          {"efficiency",
           {{"batch_sizes", config.efficiency.batch_sizes},
            {"warm_up", timing.warm_up},
            {"min_repeats", timing.min_repeats},
            {"max_repeats", timing.max_repeats},
            {"target_seconds", timing.target_seconds}}}};
}

}  // namespace switchyard
