#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/data_options.h"
#include "app/settings_options.h"
#include "app/stages.h"
#include "app/train_run.h"
#include "engine/core/check.h"
#include "training/presets.h"
#include "training/settings.h"

namespace switchyard {
namespace {

using nlohmann::json;

struct Options {
  SettingsOptions settings;
  std::string head;
  std::string data;
  std::string out = "switchyard-run";
  bool resume = false;
  bool json = false;
};

/// Preset, what the data set dictates, file, options: each over the one before.
TrainConfig resolve_config(const Options& options, const ImageDataset* data) {
  const SettingsOptions& settings = options.settings;
  const bool bare = settings.preset.empty() && !settings.config_file.empty();
  json config = bare ? json::object()
                     : to_json(training_preset(settings.preset.empty() ? preset_names().front()
                                                                       : settings.preset));
  if (data != nullptr) {
    config =
        merge_settings(config, {{"model",
                                 {{"backbone", {{"in_channels", data->images.size(3)}}},
                                  {"head", {{"name", "dense"}, {"classes", data->classes}}}}}});
  }
  // The head is picked before the file and the options, so that they can set its fields, and again
  // after them, in case a file names another one.
  const auto pick_head = [&] {
    if (options.head.empty()) return;
    config = merge_settings(config, {{"model", {{"head", {{"name", options.head}}}}}});
  };
  pick_head();
  for (const json& layer : upper_layers(settings, "")) config = merge_settings(config, layer);
  pick_head();
  return parse_train_config(config, settings_source(settings));
}

void refuse_settings_on_resume(const Options& options) {
  const SettingsOptions& settings = options.settings;
  check<UsageError>(
      settings.preset.empty() && options.head.empty() && upper_layers(settings, "").empty(),
      "--resume continues {} with its own configuration: no other setting goes with "
      "it",
      options.out);
}

void print_outcome(const RunDirectory& run, bool as_json) {
  const json results = run.results();
  if (as_json) {
    fmt::print("{}\n", results.dump(2));
    return;
  }
  fmt::print("{}: best epoch {}, validation accuracy {:.2f} %, test accuracy {:.2f} %\n",
             run.path().string(), results.at("best_epoch").get<int>(),
             100.0 * results.at("best_validation_accuracy").get<double>(),
             100.0 * results.at("test").at("accuracy").get<double>());
}

/// Opens or makes the run directory; nothing is written before the configuration is known to fit.
RunDirectory prepare(const Options& options, const StopSignal& stop, Progress& progress,
                     DatasetPair& data) {
  if (options.resume) {
    refuse_settings_on_resume(options);
    const RunDirectory run = RunDirectory::open(options.out);
    apply_execution(run.config());
    data = find_data(options.data, progress, &stop);
    return run;
  }
  apply_execution(resolve_config(options, nullptr));
  RunDirectory::check_free(options.out);
  data = find_data(options.data, progress, &stop);
  TrainConfig config = resolve_config(options, &data.train);
  select_images(config, data);  // for its errors
  config.threads = apply_execution(config);
  config.data.set = data.train.name;
  return RunDirectory::create(options.out, config);
}

int train(const Options& options) {
  const StopSignal stop;
  Progress progress(options.json);
  DatasetPair data;
  const RunDirectory run = prepare(options, stop, progress, data);
  const TrainConfig config = run.config();
  const bool stopped =
      train_run(run, data, stop, progress, config.model.head.name) == TrainingOutcome::kStopped;
  if (stopped) {
    progress.line(fmt::format("stopped; 'switchyard train --resume --out {}' continues",
                              run.path().string()));
    return kInterrupted;
  }
  json fields = test_section(run, data, select_images(config, data), config.threads);
  fields["status"] = "complete";
  run.update_results(fields);
  print_outcome(run, options.json);
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Writes into the run directory:
  config.json              the configuration, every field
  metrics.jsonl            one line per epoch
  checkpoint.safetensors   the last state, for --resume
  best.safetensors         weights of the best epoch on the validation images
  results.json             how these do on the test set

Fields that --config leaves out have the preset's values; without --preset, the published ones.
Ctrl-C finishes the step, saves and leaves; --resume continues bit for bit.)";

Action add_train(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  add_settings_options(command, options->settings,
                       fmt::format("Configuration to start from (default {}, without --config)",
                                   preset_names().front()));
  command.add_option("--head", options->head, "Head with its published settings")
      ->check(CLI::IsMember({"dense", "soft_moe", "sparse_moe", "hard_moe"}));
  add_data_option(command, options->data);
  command.add_option("--out", options->out, "Run directory, new or empty")->capture_default_str();
  command.add_flag("--resume", options->resume, "Continue the run in --out");
  command.add_flag("--json", options->json, "Print results.json");
  return [=] { return train(*options); };
}

const CommandRegistration kTrain({Command::Group::kStudies, "train", "Train one classifier",
                                  add_train});

}  // namespace
}  // namespace switchyard
