#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "analysis/graph/groups.h"
#include "analysis/graph/parting.h"
#include "app/command.h"
#include "app/graph_subject.h"
#include "app/option_values.h"
#include "app/output.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "engine/io/json.h"
#include "kernels/api/rung_scope.h"

namespace switchyard {
namespace {

struct Options {
  std::string a, b;
  GraphSubjectOptions subject;
  int order = 2;
  double tolerance = 0.0;
};

/// A way to compute: "cpu", "simt,threads=2", "cpu,matmul=matmul_plain_loops".
struct Setup {
  Device device = Device::kCpu;
  int threads = 0;  ///< 0: as many as there are
  std::vector<kernels::RungOfKernel> rungs = {};
};

Setup parse_setup(const std::string& text) {
  Setup setup;
  std::size_t begin = 0;
  for (bool first = true; begin <= text.size(); first = false) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    if (first) {
      setup.device = parse_device(part);
      continue;
    }
    const std::size_t equal = part.find('=');
    check<UsageError>(equal != std::string::npos && equal > 0,
                      "diff: '{}' in '{}' is neither threads=N nor KERNEL=RUNG", part, text);
    const std::string name = part.substr(0, equal);
    const std::string value = part.substr(equal + 1);
    if (name != "threads") {
      setup.rungs.push_back({name, value});
      continue;
    }
    const auto count = parse_whole_number(value);
    check<UsageError>(count && *count >= 1 && *count <= kMostThreads,
                      "diff: threads={} in '{}': expected 1 to {}", value, text, kMostThreads);
    setup.threads = static_cast<int>(*count);
  }
  return setup;
}

std::vector<graph::Step> run_setup(const std::string& text, const Options& options) {
  const Setup setup = parse_setup(text);
  const int threads = thread_count();
  if (setup.threads > 0) set_thread_count(setup.threads);
  std::vector<graph::Step> steps;
  {
    const kernels::RungScope rungs(name(setup.device), setup.rungs);
    const GraphSubject subject = graph_subject("diff", options.subject, setup.device);
    steps = graph::steps_of(subject.problem,
                            graph::trace(subject.problem, options.order, graph::kWholeTensors));
    check<UsageError>(setup.rungs.empty() || rungs.taken() > 0,
                      "diff: no call of '{}' takes the rungs that it names", text);
  }
  set_thread_count(threads);
  return steps;
}

std::vector<graph::Step> steps_of(const std::string& text, const Options& options) {
  if (!text.ends_with(".json")) return run_setup(text, options);
  return graph::steps_of(read_json(text), text);
}

int run_diff(const Options& options) {
  const std::vector<graph::Step> a = steps_of(options.a, options);
  const std::vector<graph::Step> b = steps_of(options.b, options);
  const auto parting = graph::first_parting(a, b, options.tolerance);
  if (json_wanted()) {
    nlohmann::json document = {{"same", !parting}, {"operations", a.size()}};
    if (parting) {
      document["parting"] = {{"number", parting->step + 1},
                             {"operation", parting->operation},
                             {"pass", parting->pass},
                             {"what", parting->what},
                             {"a", parting->a},
                             {"b", parting->b},
                             {"error", parting->error}};
    }
    print_json(document);
  } else if (parting) {
    print_text(
        "#{} {}, {} pass: {} is {} with {} and {} with {}, an error of {:.1e}; the {} before "
        "it agree\n",
        parting->step + 1, parting->operation, graph::pass_name(parting->pass), parting->what,
        parting->a, options.a, parting->b, options.b, unsigned_nan(parting->error), parting->step);
  } else {
    print_text("all {} operations and results agree\n", a.size());
  }
  return parting ? kFailed : kSuccess;
}

constexpr const char* kFooter =
    R"(Differentiates a scalar twice, each time in the way that A and B say, and names the first operation,
in the order of birth, whose results differ, and the first element that does. A and B are

  a device, with settings behind it: cpu   simt   cpu,threads=1   cpu,matmul=matmul_plain_loops
  or a file written by 'switchyard graph ... --json --whole', which needs no EXAMPLE

What is differentiated is an example of 'switchyard graph', a file, or a model on a batch. The exit code
is 1 where they part.)";

Action add_diff(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  command.add_option("A", options->a, "One way to compute, or a file")->required();
  command.add_option("B", options->b, "Another")->required();
  add_graph_subject(command, options->subject);
  command
      .add_option("--order", options->order,
                  "0: the forward pass; 1: and the gradient's; 2: and the one of H v")
      ->check(whole_number(0, 2))
      ->capture_default_str();
  command
      .add_option("--tolerance", options->tolerance,
                  "Let elements differ by this, relative to the largest of their tensor; without "
                  "it\nevery bit counts")
      ->check(positive_number());
  return [=] { return run_diff(*options); };
}

const CommandRegistration kDiff({Command::Group::kKernels, "diff",
                                 "Find the first operation and element at which two runs part",
                                 add_diff});

}  // namespace
}  // namespace switchyard
