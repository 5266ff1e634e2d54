#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "analysis/graph/document.h"
#include "analysis/graph/dot.h"
#include "analysis/graph/groups.h"
#include "analysis/graph/parting.h"
#include "app/command.h"
#include "app/compute_options.h"
#include "app/graph_subject.h"
#include "app/option_values.h"
#include "app/output.h"
#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

using nlohmann::json;

struct Options {
  GraphSubjectOptions subject;
  int order = 2;
  std::string svg, html, dot;
  bool fold = false;
  bool whole = false;
  ComputeOptions compute;
};

/// A small graph shows numbers and heat maps, that of a model norms: a page has to be read.
graph::SnapshotSizes sizes_for(const Options& options) {
  if (options.whole) return graph::kWholeTensors;
  if (options.subject.files.model.empty()) return {};
  return {.whole = 16, .cells = 0};
}

void print_table(const graph::Problem& problem, const graph::TracedProblem& traced) {
  print_text("{}: loss {:.9g}, {} nodes, {} rules called\n\n", problem.title,
             unsigned_nan(traced.loss), traced.trace.nodes.size(), traced.trace.calls.size());
  print_text("{:>5}  {:<16} {:<28} {:<18} {:>12} {:>10}  {}\n", "#", "pass", "operation", "shape",
             "flops", "saved", "made by the rule of");
  for (std::size_t i = 0; i < traced.trace.nodes.size(); ++i) {
    const graph::TracedNode& node = traced.trace.nodes[i];
    double flops = 0.0;
    for (const graph::KernelCall& call : node.kernels) flops += call.work.flops;
    const std::string parent =
        node.parent < 0
            ? ""
            : fmt::format("#{} {}", node.parent + 1,
                          traced.trace.nodes[static_cast<std::size_t>(node.parent)].name);
    const std::string shape = node.outputs.empty() ? "" : node.outputs[0].shape.to_string();
    print_text("{:>5}  {:<16} {:<28} {:<18} {:>12} {:>10}  {}\n", i + 1,
               graph::pass_name(node.pass), node.label.empty() ? node.name : node.label, shape,
               flops, node.saved_bytes, parent);
  }
  print_text("\n{:<18} {:>8} {:>14} {:>14} {:>14} {:>14}\n", "pass", "kernels", "flops",
             "bytes moved", "bytes held", "peak bytes");
  for (const graph::PassBill& pass : traced.trace.passes) {
    print_text("{:<18} {:>8} {:>14} {:>14} {:>14} {:>14}\n", pass.name, pass.kernels, pass.flops,
               pass.bytes, pass.held_bytes, pass.peak_bytes);
  }
}

int run_graph(const Options& options) {
  const Device device = start_computing(options.compute);
  const GraphSubject subject = graph_subject("graph", options.subject, device);
  const graph::Problem& problem = subject.problem;
  const graph::SnapshotSizes sizes = sizes_for(options);
  const graph::TracedProblem traced = graph::trace(problem, options.order, sizes);
  if (!options.dot.empty() || !options.svg.empty()) {
    const std::string dot = graph::dot_text(traced.trace, problem.title, options.fold);
    if (!options.dot.empty()) write_file_atomic(options.dot, dot);
    if (!options.svg.empty()) graph::write_svg(options.svg, dot);
  }
  if (json_wanted() || !options.html.empty()) {
    json document = graph::document(problem, options.order, traced, sizes);
    if (options.order == 2 && options.subject.files.model.empty()) {
      graph::add_walk(document, problem, traced.product);
      graph::add_products(document, problem);
    }
    if (!options.html.empty()) write_file_atomic(options.html, graph::page(document));
    if (json_wanted()) print_json(document);
  }
  if (!json_wanted()) print_table(problem, traced);
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Differentiates a scalar while it looks on, and shows the graph as it came into being: every operation
in the order of its birth, the pass that made it (forward, backward, double-backward), the rule that
made it, and what it cost. EXAMPLE is one of

  cube micrograd perceptron softmax convolution batch_norm batch_norm_composed moe

or FILE.json, a graph of one's own; docs/design/graph.md describes it. The page of --html needs no
other file and no network. The last pass is recorded like the others, as one that will be
differentiated again: rules that have a fused kernel for the last order show their composed form.)";

Action add_graph(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  add_graph_subject(command, options->subject);
  command
      .add_option("--order", options->order,
                  "0: the forward pass; 1: and the gradient's; 2: and the one of H v")
      ->check(whole_number(0, 2))
      ->capture_default_str();
  command.add_option("--html", options->html, "Write the page")->type_name("FILE");
  command.add_option("--svg", options->svg, "Draw the graph with Graphviz")->type_name("FILE");
  command.add_option("--dot", options->dot, "Write the graph in Graphviz's language")
      ->type_name("FILE");
  command.add_flag("--fold", options->fold,
                   "In --svg and --dot: a box for each layer and for what each rule made");
  command.add_flag("--whole", options->whole,
                   "In --json: all numbers of every tensor, as 'switchyard diff' reads them");
  add_compute_options(command, options->compute, "cpu");
  return [=] { return run_graph(*options); };
}

const CommandRegistration kGraph(
    {Command::Group::kKernels, "graph",
     "Show how a gradient, and the gradient's gradient, come into being", add_graph});

}  // namespace
}  // namespace switchyard
