#include "app/study/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/report/study_files.h"
#include "analysis/verdicts/claims.h"
#include "analysis/verdicts/routed_share.h"
#include "app/hessian_measurement.h"
#include "app/output.h"
#include "app/progress.h"
#include "training/run_directory.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// "3.42", or "-" for a number that is not finite.
std::string number_text(const json& number) {
  return number.is_number() ? fmt::format("{:.3g}", number.get<double>()) : "-";
}

std::string percent_text(const json& fraction) {
  return fmt::format("{:.2f} %", 100.0 * fraction.get<double>());
}

/// "train / test" of one curvature figure.
std::string pair_text(const json& curvature, const char* figure, const char* field) {
  return number_text(curvature.at("train").at(figure).at(field)) + " / " +
         number_text(curvature.at("test").at(figure).at(field));
}

void print_row(const std::string& run, const json& results) {
  const json& curvature = results.at("curvature");
  print_text("{:<24} {:>10} {:>10} {:>10} {:>17} {:>17} {:>13}\n", run,
             percent_text(results.at("train").at("accuracy")),
             percent_text(results.at("best_validation_accuracy")),
             percent_text(results.at("test").at("accuracy")),
             pair_text(curvature, "largest_eigenvalue", "value"),
             pair_text(curvature, "trace", "mean"),
             duration_text(results.at("training_seconds").get<double>()));
}

/// "sparse_moe-seed1     train   lambda max 126 ± 31 (probes 0, iteration 0.001, images 31), trace
/// ...". Files of earlier versions have no error bars, and no line.
void print_error_bars(const std::string& run, const json& results) {
  for (const char* set : {"train", "test"}) {
    const json& eigenvalue = results.at("curvature").at(set).at("largest_eigenvalue");
    const json& trace = results.at("curvature").at(set).at("trace");
    if (!eigenvalue.contains("error") || !trace.contains("error")) continue;
    print_text("{:<20} {:<5} lambda max {} {}, trace {} {}\n", run, set,
               number_text(eigenvalue.at("value")), error_bars_text(eigenvalue.at("error")),
               number_text(trace.at("mean")), error_bars_text(trace.at("error")));
  }
}

/// "  contradicts: MoE heads classify better than the dense head."
void print_finding(Finding finding, const std::string& statement) {
  print_text("{:>12}: {}\n", finding_text(finding), statement);
}

/// A study of one seed says nothing of any claim, and has no line.
void print_verdict(const Verdict& verdict) {
  const bool estimated = std::ranges::any_of(verdict.comparisons, [](const Comparison& comparison) {
    return comparison.mean.has_value();
  });
  if (estimated) print_finding(verdict.finding, verdict.statement);
}

/// The same of statements about more routing, where the study tells shares apart.
void print_verdict(const ShareVerdict& verdict) {
  const bool tested = std::ranges::any_of(
      verdict.trends, [](const ShareTrend& trend) { return trend.rank.has_value(); });
  if (tested) print_finding(verdict.finding, verdict.statement);
}

}  // namespace

void print_summary(const std::filesystem::path& directory, const std::vector<std::string>& runs) {
  const std::string report = (directory / "report.html").string();
  if (json_wanted()) {
    json all = {{"directory", directory.string()}, {"runs", json::object()}};
    for (const std::string& run : runs) {
      all["runs"][run] = RunDirectory::open(directory / run).results();
    }
    if (!runs.empty()) {
      const json study = read_study(directory);
      all["verdicts"] = verdicts_json(judge_claims(study));
      all["routed_share"] = routed_share_json(study);
      all["report"] = report;
    }
    print_json(all);
    return;
  }
  if (runs.empty()) return;
  print_text("{:<24} {:>10} {:>10} {:>10} {:>17} {:>17} {:>13}\n", "run", "training", "validation",
             "test", "lambda max tr/te", "trace tr/te", "time");
  for (const std::string& run : runs) print_row(run, RunDirectory::open(directory / run).results());
  print_text("\ncurvature with half-widths of 95 % intervals\n");
  for (const std::string& run : runs) {
    print_error_bars(run, RunDirectory::open(directory / run).results());
  }
  print_text("\n");
  const json study = read_study(directory);
  for (const Verdict& verdict : judge_claims(study)) print_verdict(verdict);
  for (const ShareVerdict& verdict : judge_routed_share(study)) print_verdict(verdict);
  print_text("report: {}\n", report);
}

}  // namespace switchyard
