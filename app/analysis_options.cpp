#include "app/analysis_options.h"

#include "app/data_options.h"
#include "app/device_option.h"
#include "app/validators.h"
#include "engine/io/json.h"
#include "kernels/cpu/parallel.h"
#include "training/settings.h"

namespace switchyard {

CLI::Option* add_analysis_options(CLI::App& command, AnalysisOptions& options) {
  CLI::Option* run = command.add_option("--run", options.run,
                                        "Run directory; the result is stored in its results.json");
  add_data_option(command, options.data);
  command.add_option("--config", options.config_file,
                     "JSON file with fields of a study configuration's `analysis`");
  command
      .add_option("--set", options.settings,
                  "PATH=VALUE sets one of them: images=500, dtype=float64, "
                  "curvature.trace_samples=30 (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--threads", options.threads, "Worker threads (default: one per core)")
      ->check(at_least(1));
  command.add_option("--device", options.device,
                     std::string(kDeviceHelp) + "; default: the run's, else cpu");
  command.add_option("--conv", options.conv, std::string(kConvHelp) + "; default: the run's");
  return run;
}

Device analysis_device(const AnalysisOptions& options, const TrainConfig& run) {
  const DeviceOptions usual =
      options.device ? DeviceOptions() : DeviceOptions{run.device, run.conv};
  return use_device({options.device.value_or(usual.device), options.conv.value_or(usual.conv)});
}

AnalysisConfig resolve_analysis(const AnalysisOptions& options) {
  nlohmann::json config = to_json(AnalysisConfig());
  const bool file = !options.config_file.empty();
  if (file) config = merge_settings(config, read_json(options.config_file));
  for (const std::string& setting : options.settings) {
    config = merge_settings(config, parse_setting(setting));
  }
  if (options.threads) kernels::set_thread_count(*options.threads);
  return parse_analysis_config(JsonObject(config, file ? options.config_file : "configuration"));
}

AnalysedRun open_analysed_run(const AnalysisOptions& options, Progress& progress) {
  const AnalysisConfig config = resolve_analysis(options);
  const RunDirectory run = RunDirectory::open(options.run);
  LoadedRun loaded = load_run(run, config.dtype, analysis_device(options, run.config()));
  const DatasetPair data = find_data(options.data, progress);
  const Selection selection = select_images(loaded.config, data);
  return {run, config, std::move(loaded.model), analysis_subsets(data, selection, config)};
}

}  // namespace switchyard
