#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/analysis_options.h"
#include "app/command.h"
#include "app/stages.h"

namespace switchyard {
namespace {

using nlohmann::json;

struct Options {
  AnalysisOptions analysis;
  bool json = false;
};

void print_curve(const std::string& direction, const json& curve) {
  fmt::print("{}\n{:>10} {:>12} {:>12}\n", direction, "alpha", "train", "test");
  for (std::size_t i = 0; i < curve.at("alphas").size(); ++i) {
    fmt::print("{:>10.4g} {:>12.5g} {:>12.5g}\n", curve.at("alphas")[i].get<double>(),
               curve.at("train")[i].get<double>(), curve.at("test")[i].get<double>());
  }
}

int perturb(const Options& options) {
  Progress progress(options.json);
  const AnalysedRun run = open_analysed_run(options.analysis, progress);
  const LanczosResult top = top_eigenvector(*run.model, run.subsets, run.config);
  const json section = perturbation_section(*run.model, run.subsets, top, run.config);
  run.directory.update_results({{"perturbation", section}});
  if (options.json) {
    fmt::print("{}\n", section.dump(2));
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
    R"(Mean cross-entropy, in evaluation mode, at the trained parameters plus alpha times a direction: the
unit top eigenvector of the training subset's Hessian, random Gaussian directions of norm 1, and
random directions whose filters have the norms of the model's (Li et al., 2018).)";

Action add_perturb(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  add_analysis_options(command, options->analysis)->required();
  command.add_flag("--json", options->json, "Print JSON");
  return [=] { return perturb(*options); };
}

const CommandRegistration kPerturb({Command::Group::kStudies, "perturb",
                                    "Loss along the top eigenvector and along random directions",
                                    add_perturb});

}  // namespace
}  // namespace switchyard
