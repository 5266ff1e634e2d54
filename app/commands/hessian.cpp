#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/analysis_options.h"
#include "app/command.h"
#include "app/data_options.h"
#include "app/hessian_measurement.h"
#include "app/model_files.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/stages.h"
#include "app/study/spectra.h"
#include "app/subspace_measurement.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

using nlohmann::json;

struct Options {
  AnalysisOptions analysis;
  ModelFiles files;
  HessianRequest request;
  std::vector<std::string> compare;  ///< directories of other runs
};

std::string text(const SubsetCurvature& subset) {
  const LanczosResult& top = subset.largest_eigenvalue;
  return fmt::format(
      "{} images, loss {:.4f}: largest eigenvalue {:.5g} {}, residual {:.1e}, {} products{}; "
      "trace {:.5g} {}, standard error {:.2g}, {} vectors",
      subset.images, unsigned_nan(subset.loss), unsigned_nan(top.largest.value),
      error_bars_text(to_json(subset.eigenvalue_error)), unsigned_nan(top.largest.residual),
      top.iterations, top.converged ? "" : ", not converged", unsigned_nan(subset.trace.mean),
      error_bars_text(to_json(subset.trace.error)), unsigned_nan(subset.trace.standard_error),
      subset.trace.samples.size());
}

/// The batch in pieces of `size` images, whose scatter is the data's error bar.
std::vector<Batch> cut(const Batch& batch, std::int64_t size) {
  const NoGrad no_grad;
  std::vector<Batch> pieces;
  const std::int64_t images = batch.images.size(0);
  const Tensor labels = batch.labels.to(Device::kCpu);
  for (std::int64_t begin = 0; begin < images; begin += size) {
    const std::int64_t end = std::min(images, begin + size);
    pieces.push_back(
        {slice_rows(batch.images, begin, end),
         Tensor::from({end - begin},
                      labels.span<std::int64_t>().subspan(static_cast<std::size_t>(begin),
                                                          static_cast<std::size_t>(end - begin)),
                      batch.labels.device())});
  }
  return pieces;
}

/// Measures the curvature on the one batch that a file gives.
int analyse_batch(const Options& options) {
  const AnalysisConfig config = resolve_analysis(options.analysis);
  const auto model = load_model(options.files, config.dtype, analysis_device(options.analysis));
  const Batch batch = read_batch(options.files.batch, *model, /*allow_direction=*/false).batch;
  const SubsetCurvature curvature = measure_curvature(*model, cut(batch, config.batch_size),
                                                      Generator(config.seed), config.curvature);
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

/// Says how to go on where a measurement was stopped, and returns the exit code.
int finished(bool complete, int products, bool resumable, const StopSignal& stop) {
  if (complete) return kSuccess;
  write_stderr(fmt::format(
      "switchyard: stopped after {} products; {}\n", products,
      resumable ? "the same command goes on from there" : "--state DIR would have kept them"));
  return stop.requested() ? kInterrupted : kSuccess;
}

/// Prints what a detailed measurement found, and how to go on where it was stopped.
int finish(const HessianMeasurement& measurement, const json& section, bool resumable,
           const StopSignal& stop) {
  if (json_wanted()) {
    print_json(section);
  } else {
    print_text("{}", hessian_text(section));
  }
  return finished(measurement.complete(), measurement.products(), resumable, stop);
}

int measure_batch(const Options& options) {
  const StopSignal stop;
  Progress progress;
  const AnalysisConfig config = resolve_analysis(options.analysis);
  const auto model = load_model(options.files, config.dtype, analysis_device(options.analysis));
  HessianMeasurement measurement(*model, options.request, config, progress, stop);
  const Batch batch = read_batch(options.files.batch, *model, /*allow_direction=*/false).batch;
  const json section = measurement.measure({{"batch", cut(batch, config.batch_size)}});
  progress.clear();
  return finish(measurement, section, !options.request.state.empty(), stop);
}

int measure_run(Options options) {
  const StopSignal stop;
  Progress progress;
  const AnalysedRun run = open_analysed_run(options.analysis, progress);
  if (options.request.state.empty() && run.directory.owned()) {
    options.request.state = (run.directory.path() / "hessian").string();
  }
  HessianMeasurement measurement(*run.model, options.request, run.config, progress, stop);
  const json section =
      measurement.measure({{"train", run.subsets.train}, {"test", run.subsets.test}});
  run.store({{"hessian", section}});
  progress.clear();
  return finish(measurement, section, !options.request.state.empty(), stop);
}

/// Compares the top subspaces of a run with those of other runs and stores it in the run's results.
int compare_runs(const Options& options) {
  const StopSignal stop;
  Progress progress;
  const AnalysedRun run = open_analysed_run(options.analysis, progress);
  const HessianRequest& asked = options.request;
  SubspaceRequest request{options.compare, asked.blocks,     asked.operator_name,
                          asked.top,       asked.time_limit, asked.state};
  if (request.state.empty() && run.directory.owned()) {
    request.state = (run.directory.path() / "hessian").string();
  }
  const SubspaceMeasurement result = measure_subspaces(run, request, progress, stop);
  run.store({{"subspaces", result.section}});
  progress.clear();
  if (json_wanted()) {
    print_json(result.section);
  } else {
    print_text("{}", subspaces_text(result.section));
  }
  return finished(result.complete, result.products, !request.state.empty(), stop);
}

/// What images and weights there are is said by --batch and --weights: an option that chooses among
/// a run's would do nothing.
void check_batch_settings(const AnalysisOptions& analysis) {
  check<UsageError>(resolve_analysis(analysis).weights == RunWeights::kBest,
                    "weights: chooses among the weights of a run; --weights names a file");
  for (const std::string& setting : analysis.settings) {
    check<UsageError>(
        !setting.starts_with("images="),
        "hessian: --set images chooses among the images of a run; --batch has its own");
  }
}

/// Measures what the `hessian` of the configuration lists, as a study does.
int measure_list(const Options& options, const AnalysisConfig& config) {
  const StopSignal stop;
  Progress progress;
  const RunDirectory run = RunDirectory::own(options.analysis.run);
  const RunWeights measured = run.measured_weights().value_or(config.weights);
  check(measured == config.weights,
        "{}: its results are of the {} weights, those of the {} ones cannot be stored beside them",
        run.path().string(), name(measured), name(config.weights));
  const TrainConfig training = run.config();
  const Device device = analysis_device(options.analysis, training);
  const IdentifiedData data =
      find_data_of(run.path(), options.analysis.data, training.data.set, progress);
  run.update_data(data.identity);  // the images may have moved
  const SpectraStage stage(config, progress, stop);
  stage.check_models({training.model});
  const bool complete =
      stage.measure(run, data.images, select_images(training, data.images), device);
  progress.clear();
  const json spectra = run.results().value("spectra", json::object());
  if (json_wanted()) {
    print_json(spectra);
  } else {
    for (const json& section : spectra.value("measurements", json::array())) {
      print_text("{}\n", hessian_text(section));
    }
  }
  if (complete) return kSuccess;
  write_stderr("switchyard: stopped; the same command goes on from there\n");
  return kInterrupted;
}

int hessian(const Options& options) {
  const bool batch = options.analysis.run.empty();
  if (batch) check_batch_settings(options.analysis);
  if (!options.compare.empty()) return compare_runs(options);
  const AnalysisConfig config = resolve_analysis(options.analysis);
  if (!options.request.detailed() && !config.hessian.empty()) {
    check<UsageError>(!batch, "hessian: the list `hessian` of a configuration is of a run: --run");
    return measure_list(options, config);
  }
  if (options.request.detailed()) return batch ? measure_batch(options) : measure_run(options);
  return batch ? analyse_batch(options) : analyse_run(options);
}

constexpr const char* kFooter =
    R"(Without further options it finds the largest eigenvalue by the Lanczos iteration and the trace by
Hutchinson's estimator, of the Hessian of the mean cross-entropy with respect to all parameters, in
evaluation mode. The images are a subset of the training and of the test images with --run, else
those of --batch. Routing stays as it is at these weights, which are a run's best ones, or with
--set weights=last those of its last epoch.

With one of --top, --bottom, --hutchinson, --xtrace, --density and --spectrum it measures these, each
with three error bars: half-widths of 95 % intervals over random vectors, a bound for the iteration,
and the images' from how the batches (--set batch_size=N) scatter. Without any of them, of --blocks
and --experts it measures --top 1 --hutchinson.

A list `hessian` in the configuration is measured as a study does, into the results' `spectra`.

  switchyard hessian --run R --top 5 --hutchinson                        all parameters
  switchyard hessian --run R --blocks head.gate 'head.experts.*' --spectrum --set dtype=float64
  switchyard hessian --run R --experts --top 1 --operator gauss_newton --time-limit 600
  switchyard hessian --run R --compare S --top 5 --blocks backbone       principal angles of two runs

A measurement of a run that was stopped (Ctrl-C, --time-limit) goes on where it was when the same
command is given again: its products are in RUN/hessian until it is complete.)";

void add_request_options(CLI::App& command, HessianRequest& request) {
  command
      .add_option("--operator", request.operator_name,
                  "hessian, gauss_newton, remainder (hessian less gauss_newton),\n"
                  "empirical_fisher or gradient_covariance")
      ->check(one_of(curvature_kind_names()))
      ->capture_default_str();
  command
      .add_option(
          "--blocks", request.blocks,
          "Measure each of these blocks of parameters: names in files, with *, ? and [...];\n"
          "a module's name stands for all that it has")
      ->type_name("GLOB");
  const auto count = whole_number(1, kMaxEigenpairs);
  command
      .add_flag("--split", request.split,
                "Measure each module that a glob of --blocks matches as a block of its own")
      ->needs("--blocks");
  command.add_option("--top", request.top, "Find so many of the largest eigenpairs")->check(count);
  command.add_option("--bottom", request.bottom, "Find so many of the smallest eigenpairs")
      ->check(count);
  command.add_flag("--hutchinson", request.trace,
                   "Estimate the trace and each module's share (Hutchinson)");
  command
      .add_flag("--xtrace", request.xtrace,
                "Estimate the trace by XTrace, better where the spectrum decays")
      ->excludes("--hutchinson");
  command.add_flag("--density", request.density,
                   "Estimate the spectral density (stochastic Lanczos quadrature)");
  command.add_flag("--spectrum", request.spectrum,
                   "Compute all eigenvalues of small blocks, without an estimator");
  command.add_flag("--experts", request.experts,
                   "Measure each expert on the images that it serves, and the boundary mass");
  command
      .add_option("--time-limit", request.time_limit,
                  "Stop after the product under way when so many seconds are over")
      ->check(positive_number())
      ->type_name("SECONDS");
  command
      .add_option("--state", request.state,
                  "Keep products in this directory, so that the same command can go on\n"
                  "(default with --run: RUN/hessian)")
      ->type_name("DIR");
}

Action add_hessian(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  CLI::Option* run = add_analysis_options(command, options->analysis);
  for (CLI::Option* file : add_model_options(command, options->files)) {
    file->excludes(run)->excludes("--data");
  }
  add_request_options(command, options->request);
  CLI::Option* compare = command.add_option(
      "--compare", options->compare,
      "Find the top subspaces (--top vectors, default 5) of this run and of these others on its\n"
      "images, and the principal angles between them; of --blocks, default backbone");
  compare->type_name("DIR")->needs(run);
  for (const char* other : {"--bottom", "--hutchinson", "--xtrace", "--density", "--spectrum",
                            "--experts", "--split"}) {
    compare->excludes(other);
  }
  CLI::Option* model = command.get_option("--model");
  model->needs("--weights")->needs("--batch");
  return [=] {
    check<UsageError>(run->count() + model->count() == 1,
                      "hessian: give either --run, or --model, --weights and --batch");
    return hessian(*options);
  };
}

const CommandRegistration kHessian(
    {Command::Group::kStudies, "hessian",
     "Measure the curvature of the loss: eigenvalues, trace, density", add_hessian,
     analysis_fields});

}  // namespace
}  // namespace switchyard
