#include "app/analysis_options.h"

#include "app/data_options.h"
#include "app/settings_options.h"
#include "engine/core/on_device.h"
#include "engine/io/json.h"
#include "training/settings.h"

namespace switchyard {
namespace {

/// Why a run's results.json does not take figures of these weights, "" where it does.
std::string why_not_stored(const RunDirectory& run, RunWeights weights) {
  if (!run.owned()) return "another process has this run";
  const std::optional<RunWeights> measured = run.measured_weights();
  if (!measured || measured == weights) return "";
  return fmt::format("its results are of the {} weights", name(*measured));
}

}  // namespace

CLI::Option* add_analysis_options(CLI::App& command, AnalysisOptions& options) {
  CLI::Option* run =
      command.add_option("--run", options.run,
                         "Analyse the run in this directory and store the result in its\n"
                         "results.json");
  run->type_name("DIR");
  add_data_option(command, options.data);
  command
      .add_option("--config", options.config_file,
                  "JSON file with fields of the `analysis` of a study's configuration")
      ->type_name("FILE");
  command
      .add_option("--set", options.settings,
                  "Set one of these fields, for example images=500, dtype=float64 or\n"
                  "curvature.trace_samples=30 (can be repeated)")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command.add_flag("--reproducible", options.reproducible,
                   "Compute the same bits with any number of threads; slower (a run that was\n"
                   "trained with it is analysed with it)");
  add_compute_options(command, options.compute, "the run's, else cpu");
  return run;
}

Device analysis_device(const AnalysisOptions& options, const TrainConfig& run) {
  cpu_executor().reproducible = options.reproducible || run.reproducible;
  return start_computing(options.compute, run.device, run.conv);
}

AnalysisConfig resolve_analysis(const AnalysisOptions& options) {
  nlohmann::json config = to_json(AnalysisConfig());
  const bool file = !options.config_file.empty();
  if (file) config = merge_settings(config, read_json(options.config_file));
  for (const std::string& setting : options.settings) {
    config = merge_settings(config, parse_setting(setting));
  }
  return parse_analysis_config(JsonObject(config, file ? options.config_file : "configuration"));
}

std::vector<std::string> analysis_fields() { return field_paths(to_json(AnalysisConfig())); }

void AnalysedRun::store(const nlohmann::json& fields) const {
  if (!stores) return;
  nlohmann::json all = fields;
  all["weights"] = name(config.weights);
  directory.update_results(all);
}

AnalysedRun open_analysed_run(const AnalysisOptions& options, Progress& progress) {
  const AnalysisConfig config = resolve_analysis(options);
  const RunDirectory run = RunDirectory::own_or_open(options.run);
  const std::string why = why_not_stored(run, config.weights);
  if (!why.empty()) {
    progress.line(
        fmt::format("{}: {}: what is found is printed and not stored", run.path().string(), why));
  }
  LoadedRun loaded =
      load_run(run, config.weights, config.dtype, analysis_device(options, run.config()));
  const IdentifiedData data =
      find_data_of(run.path(), options.data, loaded.config.data.set, progress);
  if (run.owned()) run.update_data(data.identity);  // the images may have moved
  const Selection selection = select_images(loaded.config, data.images);
  return {run, why.empty(), config, std::move(loaded.model),
          analysis_subsets(data.images, selection, config)};
}

}  // namespace switchyard
