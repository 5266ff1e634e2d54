#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/analysis_options.h"
#include "app/command.h"
#include "app/data_options.h"
#include "app/model_files.h"
#include "app/output.h"
#include "app/stages.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using nlohmann::json;

struct Options {
  AnalysisOptions analysis;
  ModelFiles files;
};

std::string text(const SubsetCurvature& subset) {
  const LanczosResult& top = subset.largest_eigenvalue;
  return fmt::format(
      "{} images, loss {:.4f}: largest eigenvalue {:.5g} (residual {:.1e}, {} products{}), trace "
      "{:.5g} (standard error {:.2g}, {} vectors)",
      subset.images, unsigned_nan(subset.loss), unsigned_nan(top.largest.value),
      unsigned_nan(top.largest.residual), top.iterations, top.converged ? "" : ", not converged",
      unsigned_nan(subset.trace.mean), unsigned_nan(subset.trace.standard_error),
      subset.trace.samples.size());
}

/// Measures the curvature on the one batch that a file gives.
int analyse_batch(const Options& options) {
  const AnalysisConfig config = resolve_analysis(options.analysis);
  const auto model = load_model(options.files, config.dtype, analysis_device(options.analysis));
  const Batch batch = read_batch(options.files.batch, *model, /*allow_direction=*/false).batch;
  const SubsetCurvature curvature =
      measure_curvature(*model, {batch}, Generator(config.seed), config.curvature);
  if (json_wanted()) {
    print_json(to_json(curvature));
  } else {
    print_text("{}\n", text(curvature));
  }
  return kSuccess;
}

/// Measures the curvature on training and test images of a run and stores it in the run's results.
int analyse_run(const Options& options) {
  Progress progress;
  const AnalysedRun run = open_analysed_run(options.analysis, progress);
  const Curvature curvature = curvature_of_subsets(*run.model, run.subsets, run.config);
  const json section = curvature_section(curvature, run.config);
  run.store({{"curvature", section}});
  if (json_wanted()) {
    print_json(section);
  } else {
    print_text("train  {}\ntest   {}\n", text(curvature.train), text(curvature.test));
  }
  return kSuccess;
}

int hessian(const Options& options) {
  return options.analysis.run.empty() ? analyse_batch(options) : analyse_run(options);
}

constexpr const char* kFooter =
    R"(Finds the largest eigenvalue by the Lanczos iteration and the trace by Hutchinson's estimator. Both
are of the Hessian of the mean cross-entropy with respect to all parameters, in evaluation mode. The
images are a subset of the training and of the test images with --run, else those of --batch. Routing
stays as it is at these weights.)";

Action add_hessian(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  CLI::Option* run = add_analysis_options(command, options->analysis);
  for (CLI::Option* file : add_model_options(command, options->files)) file->excludes(run);
  CLI::Option* model = command.get_option("--model");
  model->needs("--weights")->needs("--batch");
  return [=] {
    check<UsageError>(run->count() + model->count() == 1,
                      "hessian: give either --run, or --model, --weights and --batch");
    return hessian(*options);
  };
}

const CommandRegistration kHessian({Command::Group::kStudies, "hessian",
                                    "Measure the curvature of the loss: largest eigenvalue, trace",
                                    add_hessian, analysis_fields});

}  // namespace
}  // namespace switchyard
