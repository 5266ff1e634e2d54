#include "app/perturbation_measurement.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/perturbation/classifier_probe.h"
#include "app/measured_subject.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// The analysis seed is forked for the noise.
constexpr std::uint64_t kNoise = 18;

/// The pairs of top_eigenvector(), the largest first, in the shapes of perturbed_parameters().
std::vector<RitzPair> perturbed_pairs(Classifier& model, const LanczosResult& top) {
  std::vector<RitzPair> pairs = {{top.largest, perturbed_vector(model, top.vector)}};
  for (const RitzPair& lower : top.lower) {
    pairs.push_back({lower.ritz, perturbed_vector(model, lower.vector)});
  }
  return pairs;
}

/// Where the points of this very measurement are kept.
std::filesystem::path state_of(const std::filesystem::path& state, Classifier& model,
                               const Subsets& subsets, const AnalysisConfig& config) {
  const std::vector<ImageSet> sets = {{"train", subsets.train}, {"test", subsets.test}};
  return state /
         state_name({{"analysis", to_json(config)}, {"subject", measured_subject(model, sets)}});
}

}  // namespace

std::optional<json> measure_perturbation(Classifier& model, const Subsets& subsets,
                                         const LanczosResult& top, const AnalysisConfig& config,
                                         const std::filesystem::path& state, const StopSignal& stop,
                                         Progress& progress, const std::string& label) {
  const std::filesystem::path directory =
      state.empty() ? state : state_of(state, model, subsets, config);
  std::optional<PointJournal> journal;
  if (!directory.empty()) journal.emplace(directory / "points.jsonl");
  const auto planned = static_cast<double>(planned_points(config.perturbation));
  double computed = 0.0;
  const Explorer::Watch watch = [&](std::string_view point) {
    progress.update(std::min(1.0, computed++ / planned), fmt::format("{}: {}", label, point));
    return !stop.requested();
  };
  try {
    Explorer explorer(perturbed_parameters(model), classifier_probe(model, subsets.train),
                      classifier_probe(model, subsets.test), watch, journal ? &*journal : nullptr);
    const json section =
        to_json(perturbation(explorer, perturbed_pairs(model, top),
                             Generator(config.seed).fork(kNoise), config.perturbation));
    if (!directory.empty()) remove_state(directory);
    return section;
  } catch (const Interrupted&) {
    return std::nullopt;
  }
}

}  // namespace switchyard
