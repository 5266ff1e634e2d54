#include <nlohmann/json.hpp>

#include <memory>

#include "app/analysis_options.h"
#include "app/command.h"
#include "app/output.h"
#include "app/perturbation_measurement.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// The run's curvature, where it was measured at these weights on as many images: null otherwise.
json comparable_curvature(const AnalysedRun& run) {
  if (run.directory.measured_weights() != run.config.weights) return json();
  const json curvature = run.directory.results().value("curvature", json());
  if (!curvature.is_object()) return json();
  const bool same = curvature.at("train").at("images") == image_count(run.subsets.train) &&
                    curvature.at("test").at("images") == image_count(run.subsets.test);
  return same ? curvature : json();
}

int stopped(const AnalysedRun& run) {
  return report_error(run.directory.owned() ? "stopped; the same command goes on from there"
                                            : "stopped; nothing was stored",
                      kInterrupted);
}

int perturb(const AnalysisOptions& options) {
  const StopSignal stop;
  Progress progress;
  AnalysedRun run = open_analysed_run(options, progress);
  run.config.curvature.lanczos.watch = [&](const EstimateSoFar& estimate) {
    progress.status(fmt::format("looking for the top eigenvector: {:.5g} after {} products",
                                estimate.value, estimate.products));
    return !stop.requested();
  };
  const LanczosResult top = top_eigenvector(*run.model, run.subsets, run.config);
  if (stop.requested()) return stopped(run);
  const std::filesystem::path state =
      run.directory.owned() ? run.directory.path() / "perturbation" : std::filesystem::path();
  const std::optional<json> section = measure_perturbation(*run.model, run.subsets, top, run.config,
                                                           state, stop, progress, "perturbation");
  progress.clear();
  if (!section) return stopped(run);
  run.store({{"perturbation", *section}});
  if (json_wanted()) {
    print_json(*section);
  } else {
    print_text("{}", perturbation_text(*section, comparable_curvature(run)));
  }
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Measures the mean cross-entropy and the accuracy, in evaluation mode, on images of the training and
of the test set, at the trained parameters plus a displacement. Routing is free: each point has the
experts that its own gate chooses, and "changed" is the share of images (patches, where the backbone
routes) whose experts are others than at the trained parameters.

  along lines    perturbation.points steps along the top eigenvectors (perturbation.eigenvectors) of
                 the Hessian on the training images, along their gradient (perturbation.gradient), both
                 of length 1, up to perturbation.eigenvector_limit; along random directions of length
                 1 and random directions whose filters have the norms of the model's (Li et al., 2018)
  on planes      perturbation.surface_points squared: the two top eigenvectors, the top one and the
                 gradient, up to perturbation.surface_limit; two filter-normalised random directions,
                 up to perturbation.random_limit; 0 points leave the planes out
  worst case     in balls of perturbation.radii: the step of SAM (Foret et al., 2021), and the best of
                 perturbation.ascent_steps of projected gradient ascent: lower bounds of the maximum
  on average     over perturbation.noise_pairs of Gaussian noise z and -z times
                 perturbation.noise_sigmas, beside sigma^2/2 times the trace, if the run has one

  switchyard perturb --run R --set perturbation.surface_points=0
  switchyard perturb --run R --set perturbation.radii=[0.05] --set perturbation.noise_sigmas=[]

The parameters are a run's best ones, or with --set weights=last those of its last epoch. Ctrl-C stops
between two points; the same command goes on from there.)";

Action add_perturb(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<AnalysisOptions>();
  add_analysis_options(command, *options)->required();
  return [=] { return perturb(*options); };
}

const CommandRegistration kPerturb(
    {Command::Group::kStudies, "perturb",
     "Measure loss and accuracy around the trained parameters: lines, planes, balls, noise",
     add_perturb, analysis_fields});

}  // namespace
}  // namespace switchyard
