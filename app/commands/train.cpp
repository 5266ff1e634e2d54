#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/data_options.h"
#include "app/option_values.h"
#include "app/output.h"
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
};

/// Lays the preset, the fields that the data set dictates, the file and the options over one
/// another, in this order.
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

void print_outcome(const RunDirectory& run) {
  const json results = run.results();
  if (json_wanted()) {
    print_json(results);
    return;
  }
  print_text("{}: best epoch {}, validation accuracy {:.2f} %, test accuracy {:.2f} %\n",
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
    apply_kernel_options(options.settings.compute, parse_device(run.config().device));
    data = find_data(options.data, run.config().data.set, progress, &stop);
    return run;
  }
  const TrainConfig first = resolve_config(options, nullptr);
  apply_execution(first);
  apply_kernel_options(options.settings.compute, parse_device(first.device));
  RunDirectory::check_free(options.out);
  data = find_data(options.data, first.data.set, progress, &stop);
  TrainConfig config = resolve_config(options, &data.train);
  select_images(config, data);  // for its errors
  config.threads = apply_execution(config);
  config.data.set = data.train.name;
  return RunDirectory::create(options.out, config);
}

int train(const Options& options) {
  const StopSignal stop;
  Progress progress;
  DatasetPair data;
  const RunDirectory run = prepare(options, stop, progress, data);
  const TrainConfig config = run.config();
  const bool stopped =
      train_run(run, data, stop, progress, config.model.head.name) == TrainingOutcome::kStopped;
  if (stopped) {
    const std::string how =
        fmt::format("stopped; 'switchyard train --resume --out {}' continues", run.path().string());
    progress.line(how);
    if (json_wanted()) print_json({{"error", how}, {"exit_code", kInterrupted}});
    return kInterrupted;
  }
  json fields = test_section(run, data, select_images(config, data), config.threads);
  fields["status"] = "complete";
  run.update_results(fields);
  print_outcome(run);
  return kSuccess;
}

/// Lists the fields of every preset with every head.
std::vector<std::string> training_fields() {
  json all = json::object();
  for (const std::string& preset : preset_names())
    all.merge_patch(to_json(training_preset(preset)));
  for (const std::string& head : head_names()) {
    all.merge_patch({{"model", to_json(ModelConfig{.backbone = {}, .head = {.name = head}})}});
  }
  return field_paths(all);
}

constexpr const char* kFooter =
    R"(Writes into the run directory:
  config.json              the configuration, every field
  metrics.jsonl            one line per epoch
  checkpoint.safetensors   the last state, for --resume
  best.safetensors         the weights of the best epoch on the validation images
  results.json             the accuracy of these weights on the test set, and more; --json prints it

Fields that --config leaves out have the values of the preset; without --preset, the published ones.
Ctrl-C finishes the step, saves and leaves; --resume continues bit for bit.)";

Action add_train(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  add_settings_options(
      command, options->settings,
      fmt::format("Configuration to start from (default: {}, or with --config the\n"
                  "published one)",
                  preset_names().front()),
      "optimizer.rate=0.2");
  command.add_option("--head", options->head, "Train this head, with its published settings")
      ->check(one_of(head_names()));
  add_data_option(command, options->data);
  command.add_option("--out", options->out, "Run directory, which must be new or empty")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_flag("--resume", options->resume, "Continue the run that is in --out");
  return [=] { return train(*options); };
}

const CommandRegistration kTrain({Command::Group::kStudies, "train", "Train one classifier",
                                  add_train, training_fields});

}  // namespace
}  // namespace switchyard
