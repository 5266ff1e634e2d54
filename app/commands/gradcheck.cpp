#include "engine/autograd/gradcheck.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/compute_options.h"
#include "app/option_values.h"
#include "app/output.h"
#include "engine/autograd/explain.h"
#include "engine/core/check.h"
#include "engine/core/suggest.h"
#include "engine/ops/cases.h"

namespace switchyard {
namespace {

struct Options {
  std::string op = "all";
  int order = 2;
  std::int64_t size = 3;
  std::uint64_t seed = 1;
  double tolerance = 1e-7;
  bool explain = false;
  ComputeOptions compute;
};

std::vector<OpCase> chosen_cases(const std::string& op) {
  std::vector<OpCase> cases = op_cases();
  if (op == "all") return cases;
  std::vector<std::string> known;
  for (const OpCase& each : cases) known.push_back(each.name);
  std::erase_if(cases, [&](const OpCase& each) { return each.name != op; });
  check<UsageError>(!cases.empty(), "gradcheck: no operation '{}' (there are: {}){}", op,
                    fmt::join(known, ", "), did_you_mean(op, known));
  return cases;
}

GradcheckResult worst_order(const OpSample& sample, const Options& options, int& order) {
  GradcheckResult worst;
  for (int i = 1; i <= options.order; ++i) {
    const GradcheckResult result =
        gradcheck(sample.function, sample.inputs, {.order = i, .seed = options.seed});
    if (i > 1 && result.error <= worst.error) continue;
    worst = result;
    order = i;
  }
  return worst;
}

/// Names the rule at fault, where there is one by itself.
std::string explanation(const OpSample& sample, const Options& options) {
  const auto wrong =
      explain(sample.function, sample.inputs, {.order = options.order, .seed = options.seed});
  return wrong ? text_of(*wrong)
               : fmt::format("every rule by itself is right to {:.0e} of what it multiplies",
                             ExplainOptions{}.tolerance);
}

int run_gradcheck(const Options& options) {
  const Device device = start_computing(options.compute);
  check<UsageError>(!options.explain || device == Device::kCpu,
                    "gradcheck: --explain computes on cpu, not on {}", name(device));
  nlohmann::json rows = nlohmann::json::array();
  bool all_good = true;
  for (const OpCase& each : chosen_cases(options.op)) {
    CaseSource source{Generator(options.seed), device};
    const OpSample sample = each.sample(std::max(options.size, each.smallest), source);
    int order = 1;
    const GradcheckResult result = worst_order(sample, options, order);
    const bool good = result.error <= options.tolerance;
    all_good = all_good && good;
    rows.push_back({{"operation", each.name},
                    {"error", result.error},
                    {"order", order},
                    {"worst", result.worst},
                    {"passed", good}});
    std::string why;
    if (options.explain && !good) {
      why = explanation(sample, options);
      rows.back()["explanation"] = why;
    }
    if (json_wanted()) continue;
    print_text("{:<4} {:<32} error {:8.1e}  order {}  {}\n", good ? "ok" : "BAD", each.name,
               unsigned_nan(result.error), order, result.worst);
    if (!why.empty()) print_text("     {}\n", why);
  }
  if (json_wanted()) print_json(rows);
  return all_good ? kSuccess : kFailed;
}

Action add_gradcheck(CLI::App& command) {
  command.footer(
      "Prints the largest relative error over the inputs and the orders checked, with the order "
      "and the\n"
      "input where it was found. The exit code is 1 where an error is above the tolerance.");
  const auto options = std::make_shared<Options>();
  command.add_option("OP", options->op, "An operation, or all")->capture_default_str();
  command.add_option("--order", options->order, "Check the derivatives of orders 1 to this")
      ->check(whole_number(1, 4))
      ->capture_default_str();
  command
      .add_option("--size", options->size, "Use about this many elements along the largest axis")
      ->check(whole_number(0, 64))
      ->capture_default_str();
  command
      .add_option("--seed", options->seed, "Draw inputs, cotangents and directions from this seed")
      ->check(whole_number(0, kAnyUnsigned))
      ->capture_default_str();
  command
      .add_option("--tolerance", options->tolerance,
                  "Pass where the relative error is at most this")
      ->check(positive_number())
      ->capture_default_str();
  command.add_flag("--explain", options->explain,
                   "Look at every rule by itself where a derivative is wrong, and name the one at "
                   "fault");
  add_compute_options(command, options->compute, "cpu");
  return [=] { return run_gradcheck(*options); };
}

const CommandRegistration kGradcheck(
    {Command::Group::kKernels, "gradcheck",
     "Compare derivatives of operations with finite differences, in float64", add_gradcheck});

}  // namespace
}  // namespace switchyard
