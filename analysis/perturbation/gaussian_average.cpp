#include "analysis/perturbation/gaussian_average.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "analysis/curvature/vectors.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// The pairs of one σ and one set so far.
struct Sums {
  std::vector<std::vector<double>> rises;  // [pair][group]
  double accuracy = 0.0;
  double changed = 0.0;
  bool routed = false;
};

/// Adds θ ± σz, each with half a weight.
void add_pair(Sums& sums, Explorer& explorer, Subset subset, const std::string& name, double sigma,
              std::span<const Tensor> z) {
  std::vector<double> rise(explorer.group_weights(subset).size());
  for (const double sign : {1.0, -1.0}) {
    const Step step[] = {{sign * sigma, z}};
    const PointValues there =
        explorer.values(subset, fmt::format("{}/{}", name, sign > 0.0 ? "+" : "-"), step);
    for (std::size_t i = 0; i < rise.size(); ++i) {
      rise[i] += 0.5 * (there.group_losses[i] - explorer.start(subset).group_losses[i]);
    }
    sums.accuracy += 0.5 * there.accuracy;
    sums.changed += 0.5 * there.changed.value_or(0.0);
    sums.routed = there.changed.has_value();
  }
  sums.rises.push_back(std::move(rise));
}

GaussianAverage average(const Sums& sums, std::span<const double> weights, double sigma) {
  const auto pairs = static_cast<double>(sums.rises.size());
  std::vector<double> means;  // over images, one for each pair
  for (const std::vector<double>& rise : sums.rises) {
    means.push_back(std::inner_product(rise.begin(), rise.end(), weights.begin(), 0.0));
  }
  GaussianAverage result;
  result.sigma = sigma;
  result.rise = std::accumulate(means.begin(), means.end(), 0.0) / pairs;
  result.error.probe = standard_error_of_mean(means);
  result.error.data = data_error(weights, sums.rises);
  result.accuracy = sums.accuracy / pairs;
  if (sums.routed) result.changed = sums.changed / pairs;
  return result;
}

json to_json(const std::vector<GaussianAverage>& averages) {
  json list = json::array();
  for (const GaussianAverage& average : averages) {
    list.push_back({{"sigma", average.sigma},
                    {"rise", average.rise},
                    {"error", to_json(average.error)},
                    {"accuracy", average.accuracy}});
    if (average.changed) list.back()["changed"] = *average.changed;
  }
  return list;
}

}  // namespace

GaussianAverages gaussian_averages(Explorer& explorer, const Generator& random,
                                   const GaussianOptions& options) {
  std::vector<Sums> train(options.sigmas.size()), test(options.sigmas.size());
  for (int j = 0; j < options.pairs; ++j) {
    Generator of_pair = random.fork(static_cast<std::uint64_t>(j));
    const ParameterVector z = random_normal_like(explorer.parameters(), of_pair);
    for (std::size_t s = 0; s < options.sigmas.size(); ++s) {
      const double sigma = options.sigmas[s];
      const std::string name = fmt::format("noise/{}/{}", sigma, j);
      add_pair(train[s], explorer, Subset::kTrain, name, sigma, z);
      add_pair(test[s], explorer, Subset::kTest, name, sigma, z);
    }
  }
  GaussianAverages result;
  for (std::size_t s = 0; s < options.sigmas.size(); ++s) {
    const double sigma = options.sigmas[s];
    result.train.push_back(average(train[s], explorer.group_weights(Subset::kTrain), sigma));
    result.test.push_back(average(test[s], explorer.group_weights(Subset::kTest), sigma));
  }
  return result;
}

json to_json(const GaussianAverages& averages, int pairs) {
  return {{"pairs", pairs}, {"train", to_json(averages.train)}, {"test", to_json(averages.test)}};
}

}  // namespace switchyard
