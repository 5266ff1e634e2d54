#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/data_options.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/resume_command.h"
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

/// Lays the preset, the file and the options over one another, in this order. Channels and classes
/// are in the result only where the user set them: otherwise the data set dictates them.
json merged_settings(const Options& options) {
  const SettingsOptions& settings = options.settings;
  json merged = json::object();
  if (!settings.preset.empty() || settings.config_file.empty()) {
    merged = to_json(
        training_preset(settings.preset.empty() ? preset_names().front() : settings.preset));
    merged["model"]["backbone"].erase("in_channels");
    merged["model"]["head"].erase("classes");
  }
  // The head is picked before the file and the options, so that they can set its fields, and again
  // after them, in case a file names another one.
  const auto pick_head = [&] {
    if (options.head.empty()) return;
    merged = merge_settings(merged, {{"model", {{"head", {{"name", options.head}}}}}});
  };
  pick_head();
  for (const json& layer : upper_layers(settings, "")) merged = merge_settings(merged, layer);
  pick_head();
  return merged;
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
  print_text(
      "{}: best epoch {}, validation accuracy {:.2f} %, test accuracy {:.2f} %, training accuracy "
      "{:.2f} %\n",
      run.path().string(), results.at("best_epoch").get<int>(),
      100.0 * results.at("best_validation_accuracy").get<double>(),
      100.0 * results.at("test").at("accuracy").get<double>(),
      100.0 * results.at("train").at("accuracy").get<double>());
  print_text("{:.2f} million multiply-adds per image, of which {:.3f} % are routed\n",
             1e-6 * results.at("multiply_adds").get<double>(),
             100.0 * results.at("routed_share").get<double>());
}

/// A run that is owned and the images that it trains on.
struct OpenRun {
  RunDirectory directory;
  DatasetPair images;
};

OpenRun continue_run(const Options& options, Progress& progress) {
  refuse_settings_on_resume(options);
  const RunDirectory run = RunDirectory::own(options.out);
  apply_execution(run.config());
  apply_kernel_options(options.settings.compute, parse_device(run.config().device));
  IdentifiedData data = find_data_of(run.path(), options.data, run.config().data.set, progress);
  run.update_data(data.identity);
  return {run, std::move(data.images)};
}

/// Makes the run directory first, so that what is wrong with it is known before anything else, and
/// leaves nothing behind where the configuration does not fit.
OpenRun create_run(const Options& options, const StopSignal& stop, Progress& progress) {
  const json settings = merged_settings(options);
  TrainConfig config = parse_train_config(settings, settings_source(options.settings));
  config.threads = apply_execution(config);
  apply_kernel_options(options.settings.compute, parse_device(config.device));
  RunDirectory::check_path(options.out);
  DirectoryOwner owner = DirectoryOwner::create(options.out);
  IdentifiedData data = find_identified_data(options.data, config.data.set, progress, &stop);
  const json model = settings.value("model", json::object());
  fit_to_data(config.model.backbone, model.value("backbone", json::object()), data.images.train);
  fit_to_data(config.model.head, model.value("head", json::object()), data.images.train);
  select_images(config, data.images);  // for its errors
  config.data.set = data.images.train.name;
  return {RunDirectory::create(std::move(owner), config, data.identity), std::move(data.images)};
}

/// Trains; a new run that fails before its first checkpoint leaves its directory free.
TrainingOutcome train(const OpenRun& run, const TrainConfig& config, bool is_new,
                      const StopSignal& stop, Progress& progress) {
  try {
    return train_run(run.directory, run.images, stop, progress, config.model.head.name);
  } catch (...) {
    if (is_new) run.directory.remove_unless_saved();
    throw;
  }
}

int train(const Options& options) {
  const StopSignal stop;
  Progress progress;
  const OpenRun run =
      options.resume ? continue_run(options, progress) : create_run(options, stop, progress);
  const TrainConfig config = run.directory.config();
  if (train(run, config, !options.resume, stop, progress) == TrainingOutcome::kStopped) {
    const std::string how = "stopped; this continues it: " + resume_command("train", options.out);
    progress.line(how);
    if (json_wanted()) print_json({{"error", how}, {"exit_code", kInterrupted}});
    return kInterrupted;
  }
  keep_results_of(run.directory, RunWeights::kBest, options.out, progress);
  json fields = score_section(run.directory, RunWeights::kBest, run.images,
                              select_images(config, run.images), config.threads);
  fields["status"] = "complete";
  run.directory.update_results(fields);
  print_outcome(run.directory);
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
  for (const char* gate : {"topk_softmax", "sigmoid"}) {  // between them they have every field
    ModelConfig patches;
    patches.backbone.name = "small_moe";
    patches.backbone.moe.gate = gate;
    all.merge_patch({{"model", to_json(patches)}});
  }
  return field_paths(all);
}

constexpr const char* kFooter =
    R"(Writes into the run directory:
  config.json              the configuration, every field
  data.json                where the images are, and their fingerprint
  metrics.jsonl            one line per epoch
  checkpoint.safetensors   the last state, for --resume
  best.safetensors         the weights of the best epoch on the validation images
  results.json             the accuracy of these weights on test and training images, and more; --json
                           prints it

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
