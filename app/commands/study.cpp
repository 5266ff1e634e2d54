#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/data_options.h"
#include "app/option_values.h"
#include "app/output.h"
#include "app/resume_command.h"
#include "app/settings_options.h"
#include "app/study/resolve.h"
#include "app/study/runner.h"
#include "app/study/spectra.h"
#include "app/study/summary.h"
#include "engine/core/check.h"
#include "engine/io/files.h"
#include "training/presets.h"

namespace switchyard {
namespace {

struct Options {
  StudyOptions study;
  std::string data;
  std::string out = "switchyard-study";
  bool resume = false;
  bool print_config = false;
};

/// The study directory, owned: the one to resume, or a new one.
DirectoryOwner own_directory(const Options& options) {
  return options.resume ? DirectoryOwner::take(options.out) : DirectoryOwner::create(options.out);
}

int study(const Options& options, const std::string& command) {
  const auto earlier =
      options.resume ? std::optional(read_study_settings(options.out)) : std::nullopt;
  ResolvedStudy study = resolve_study(options.study, earlier);
  if (options.print_config) {
    print_json(to_json(study.config));
    return kSuccess;
  }
  const StopSignal stop;
  Progress progress;
  StudyConfig& config = study.config;
  config.training.threads = apply_execution(config.training);
  apply_kernel_options(options.study.settings.compute, parse_device(config.training.device));
  for (const StudyRun& run : study_runs(config)) {
    RunDirectory::check_path(std::filesystem::path(options.out) / run.name);
  }
  const DirectoryOwner directory = own_directory(options);
  const std::string& set = config.training.data.set;
  const IdentifiedData data = options.resume
                                  ? find_data_of(options.out, options.data, set, progress)
                                  : find_identified_data(options.data, set, progress, &stop);
  study.fit_to(data.images.train);
  for (const StudyRun& run : study_runs(config)) select_images(run.config, data.images);  // errors
  config.training.data.set = data.images.train.name;
  SpectraStage(config.analysis, progress, stop)
      .check_models(config.models, study_preset(config.preset).analysis.hessian);

  StudyRunner runner(directory, config, data, stop, progress, command);
  const bool complete = runner.run();
  print_summary(options.out, runner.finished());
  if (complete) return kSuccess;
  progress.line("stopped; this continues it: " + resume_command("study", options.out));
  return kInterrupted;
}

/// Returns the command line for the report: of each file only the name, not the directory.
std::string command_text(const CLI::App& command) {
  std::string text = "switchyard study";
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0) continue;
    text = fmt::format("{} {}", text, option->get_name());
    if (option->get_expected_max() == 0) continue;  // a flag
    for (const std::string& value : option->results()) {
      text = fmt::format("{} {}", text, value.substr(value.rfind('/') + 1));
    }
  }
  return text;
}

/// Lists the fields of every preset.
std::vector<std::string> study_fields() {
  nlohmann::json all = nlohmann::json::object();
  for (const std::string& preset : preset_names()) all.merge_patch(to_json(study_preset(preset)));
  return field_paths(all);
}

constexpr const char* kFooter =
    R"(Trains every head with every seed and measures each: the accuracy on the test set, which expert
serves which class, eigenvalues, trace and spectrum of the Hessian of the loss on training and test
images, loss and accuracy along lines, on planes, in balls and under noise, latency and memory. Writes
study.json, report.html and a directory for each run into --out.

Ctrl-C saves and leaves; --resume continues where the study was, and can add heads and seeds.)";

Action add_study(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  add_settings_options(
      command, options->study.settings,
      fmt::format("quick: minutes on two cores; paper: the published configuration, hours;\n"
                  "tiny: a minute, for tests (default: {})",
                  preset_names().front()),
      "training.optimizer.rate=0.2");
  command.add_option("--heads", options->study.heads, "Train these heads, separated by commas")
      ->delimiter(',')
      ->check(one_of(head_names()));
  command
      .add_option("--seeds", options->study.seeds,
                  "Train every head this many times, with the seeds 1, 2, ...")
      ->check(whole_number(1, kMostSeeds));
  add_data_option(command, options->data);
  command.add_option("--out", options->out, "Study directory, which must be new or empty")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_flag("--resume", options->resume, "Continue the study that is in --out");
  command.add_flag("--print-config", options->print_config,
                   "Print the configuration that would be used, for --config, and stop");
  return [options, &command] { return study(*options, command_text(command)); };
}

const CommandRegistration kStudy({Command::Group::kStudies, "study",
                                  "Train the heads, analyse them and write the report", add_study,
                                  study_fields});

}  // namespace
}  // namespace switchyard
