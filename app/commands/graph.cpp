#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "analysis/graph/document.h"
#include "analysis/graph/dot.h"
#include "analysis/graph/groups.h"
#include "analysis/graph/parting.h"
#include "analysis/graph/products.h"
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
  bool walk = false;
  bool whole = false;
  ComputeOptions compute;
};

/// A small graph shows numbers and heat maps, that of a model norms: a page has to be read.
graph::SnapshotSizes sizes_for(const Options& options) {
  if (options.whole) return graph::kWholeTensors;
  if (options.subject.files.model.empty()) return {};
  return {.whole = 16, .cells = 0};
}

void print_nodes(const graph::Problem& problem, const graph::TracedProblem& traced) {
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
}

void print_bills(const char* heading, const std::vector<graph::PassBill>& bills) {
  print_text("\n{:<22} {:>8} {:>14} {:>14} {:>14} {:>14}\n", heading, "kernels", "flops",
             "bytes moved", "bytes held", "peak bytes");
  for (const graph::PassBill& bill : bills) {
    print_text("{:<22} {:>8} {:>14} {:>14} {:>14} {:>14}\n", bill.name, bill.kernels, bill.flops,
               bill.bytes, bill.held_bytes, bill.peak_bytes);
  }
}

/// "[1, -0.5]", or the norm of what is too long for a line.
std::string numbers_text(const Tensor& tensor) {
  constexpr std::int64_t kMostShown = 4;
  const graph::Snapshot shot = graph::snapshot(tensor, {.whole = kMostShown, .cells = 0});
  if (shot.values.empty()) return fmt::format("norm {:.6g}", unsigned_nan(shot.norm));
  std::vector<std::string> texts;
  for (const double x : shot.values) texts.push_back(fmt::format("{:.6g}", unsigned_nan(x)));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

void print_results(const graph::Problem& problem, const graph::TracedProblem& traced) {
  if (traced.gradient.empty()) return;
  print_text("\n{:<22} {:<44} {}\n", "input", "gradient", traced.product.empty() ? "" : "H v");
  for (std::size_t i = 0; i < problem.inputs.size(); ++i) {
    print_text("{:<22} {:<44} {}\n", problem.inputs[i].name, numbers_text(traced.gradient[i]),
               traced.product.empty() ? "" : numbers_text(traced.product[i]));
  }
}

void print_table(const graph::Problem& problem, const graph::TracedProblem& traced, int order) {
  print_nodes(problem, traced);
  print_bills("pass", traced.trace.passes);
  print_results(problem, traced);
  if (order < 2) return;
  std::vector<graph::PassBill> roads;
  for (const graph::ProductBill& bill : graph::compare_roads(problem)) roads.push_back(bill.cost);
  print_bills("one product H v", roads);
}

void check_options(const Options& options) {
  const bool of_model = !options.subject.files.model.empty();
  check<UsageError>(!options.walk || of_model,
                    "graph: --walk is for --model: an example or a file has its walk without it");
  check<UsageError>(
      !options.walk || (options.order == 2 && (json_wanted() || !options.html.empty())),
      "graph: --walk needs --order 2, and --html or --json to show it");
  check<UsageError>(
      !options.fold || !(options.svg.empty() && options.dot.empty() && options.html.empty()),
      "graph: --fold needs --svg, --dot or --html");
}

/// Why the page has no walk; nothing where it has one.
std::string no_walk(const Options& options) {
  if (options.order < 2) return "The walk along v is of the second order: --order 2 shows it.";
  if (options.subject.files.model.empty() || options.walk) return {};
  return "The walk along v takes 91 gradients of this model: --walk computes it.";
}

json document_of(const Options& options, const graph::Problem& problem,
                 const graph::TracedProblem& traced, const graph::SnapshotSizes& sizes) {
  json document = graph::document(problem, options.order, traced, sizes);
  if (options.order < 2) return document;
  graph::add_products(document, problem);
  if (options.subject.files.model.empty()) {
    graph::add_walk(document, problem, traced.product);
  } else if (options.walk) {
    graph::add_walk(document, problem, traced.product, graph::coarse_walk(problem));
  }
  return document;
}

int run_graph(const Options& options) {
  check_options(options);
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
    const json document = document_of(options, problem, traced, sizes);
    if (!options.html.empty()) {
      write_file_atomic(options.html, graph::page(document, {.folded = options.fold,
                                                             .no_walk = no_walk(options)}));
    }
    if (json_wanted()) print_json(document);
  }
  if (!json_wanted()) print_table(problem, traced, options.order);
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
                   "In --svg and --dot a box for each layer and what each rule made;\n"
                   "in --html begin with them closed");
  command.add_flag("--walk", options->walk,
                   "In --html and --json of a model: the loss along v, for 91 gradients more");
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
