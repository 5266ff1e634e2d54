#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/analysis_options.h"
#include "app/command.h"
#include "app/output.h"
#include "app/stages.h"

namespace switchyard {
namespace {

using nlohmann::json;

void print_curve(const std::string& direction, const json& curve) {
  print_text("{}\n{:>10} {:>12} {:>12}\n", direction, "alpha", "train", "test");
  for (std::size_t i = 0; i < curve.at("alphas").size(); ++i) {
    const auto value = [&](const char* column) {
      return unsigned_nan(curve.at(column)[i].get<double>());
    };
    print_text("{:>10.4g} {:>12.5g} {:>12.5g}\n", value("alphas"), value("train"), value("test"));
  }
}

int perturb(const AnalysisOptions& options) {
  Progress progress;
  const AnalysedRun run = open_analysed_run(options, progress);
  const LanczosResult top = top_eigenvector(*run.model, run.subsets, run.config);
  const json section = perturbation_section(*run.model, run.subsets, top, run.config);
  run.store({{"perturbation", section}});
  if (json_wanted()) {
    print_json(section);
    return kSuccess;
  }
  print_curve(fmt::format("along the top eigenvector (eigenvalue {:.5g})", top.largest.value),
              section.at("eigenvector"));
  for (const json& random : section.at("random")) {
    print_curve(fmt::format("at random (normalisation {}, seed {})",
                            random.at("normalisation").get<std::string>(),
                            random.at("seed").get<std::uint64_t>()),
                random);
  }
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Prints the mean cross-entropy, in evaluation mode, at the trained parameters plus alpha times a
direction. The directions are the unit top eigenvector of the Hessian on the training subset, random
Gaussian directions of norm 1, and random directions whose filters have the norms of the model's
filters (Li et al., 2018). The parameters are a run's best ones, or with --set weights=last those of
its last epoch.)";

Action add_perturb(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<AnalysisOptions>();
  add_analysis_options(command, *options)->required();
  return [=] { return perturb(*options); };
}

const CommandRegistration kPerturb(
    {Command::Group::kStudies, "perturb",
     "Measure the loss along the top eigenvector and random directions", add_perturb,
     analysis_fields});

}  // namespace
}  // namespace switchyard
