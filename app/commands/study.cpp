#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/data_options.h"
#include "app/settings_options.h"
#include "app/study/resolve.h"
#include "app/study/runner.h"
#include "app/study/summary.h"
#include "app/validators.h"
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
  bool json = false;
};

int study(const Options& options, const std::string& command) {
  if (options.print_config) {
    fmt::print("{}\n", to_json(resolve_study(options.study, nullptr)).dump(2));
    return kSuccess;
  }
  const StopSignal stop;
  Progress progress(options.json);
  const auto earlier =
      options.resume ? std::optional(read_study_config(options.out)) : std::nullopt;
  const StudyConfig first = resolve_study(options.study, nullptr, earlier);
  apply_execution(first.training);
  if (!options.resume) RunDirectory::check_free(options.out);

  const DatasetPair data = find_data(options.data, progress, &stop);
  StudyConfig config = resolve_study(options.study, &data.train, earlier);
  for (const StudyRun& run : study_runs(config)) select_images(run.config, data);  // for its errors
  config.training.threads = apply_execution(config.training);
  config.training.data.set = data.train.name;
  make_output_directory(options.out, options.resume);

  StudyRunner runner(options.out, config, data, stop, progress, command);
  const bool complete = runner.run();
  print_summary(options.out, runner.finished(), options.json);
  if (complete) return kSuccess;
  progress.line(
      fmt::format("stopped; 'switchyard study --resume --out {}' continues", options.out));
  return kInterrupted;
}

/// The command line without the directories that lead to files: it is for reports.
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

constexpr const char* kFooter =
    R"(Trains every head with every seed and measures each on the test set: accuracy, which expert serves
which class, the largest eigenvalue and the trace of the loss's Hessian on training and test images,
the loss along its eigenvector and along random directions, latency and memory. Writes everything to
--out: study.json, report.html and a directory per run.

Ctrl-C saves and leaves; --resume continues where the study was, and may add heads and seeds.)";

Action add_study(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  add_settings_options(
      command, options->study.settings,
      fmt::format("quick: minutes on two cores; paper: the published configuration, "
                  "hours; tiny: a\nminute, for tests (default {})",
                  preset_names().front()));
  command.add_option("--heads", options->study.heads, "Heads to train, separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember({"dense", "soft_moe", "sparse_moe", "hard_moe"}));
  command.add_option("--seeds", options->study.seeds, "Runs per head, with seeds 1, 2, ...")
      ->check(at_least(1));
  add_data_option(command, options->data);
  command.add_option("--out", options->out, "Study directory, new or empty")->capture_default_str();
  command.add_flag("--resume", options->resume, "Continue the study in --out");
  command.add_flag("--print-config", options->print_config,
                   "Print the configuration that would be used, for --config, and stop");
  command.add_flag("--json", options->json, "Print the results as JSON");
  return [options, &command] { return study(*options, command_text(command)); };
}

const CommandRegistration kStudy({Command::Group::kStudies, "study",
                                  "Train the heads, analyse them, write the report: the main job",
                                  add_study});

}  // namespace
}  // namespace switchyard
