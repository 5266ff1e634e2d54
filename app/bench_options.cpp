#include "app/bench_options.h"

#include <cmath>

#include "analysis/moe_bench/trace.h"
#include "app/option_values.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

using namespace moe_bench;

constexpr const char* kSizes = "Workload";
constexpr const char* kOutputs = "Results";

template <class T>
CLI::Option* add_list(CLI::App& command, const char* name, std::vector<T>& values,
                      const char* help) {
  return command.add_option(name, values, help)->delimiter(',')->group(kSizes);
}

template <class T>
CLI::Option* add_size(CLI::App& command, const char* name, T& value, const char* help) {
  return command.add_option(name, value, help)->check(whole_number(1, kAnySigned))->group(kSizes);
}

void add_sizes(CLI::App& command, BenchOptions& o) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  command
      .add_option("--preset", o.preset,
                  "Take the experts of a published model (list below); other sizes change it")
      ->check(one_of(names))
      ->group(kSizes);
  add_list(command, "--tokens", o.tokens, "Tokens T (1024); several: one workload each")
      ->check(whole_number(0, kAnySigned));
  add_size(command, "--width", o.width, "Columns D of a token (512)");
  add_size(command, "--hidden", o.hidden, "Hidden units H of an expert (2048); of moe");
  add_size(command, "--out", o.out, "Columns C of a result (those of a token); of moe");
  add_list(command, "--experts", o.experts, "Experts E (8); several: one workload each")
      ->check(whole_number(1, kAnySigned));
  add_list(command, "--k", o.k, "Experts k of a token (2); several: one workload each")
      ->check(whole_number(1, kAnySigned));
  command.add_option("--activation", o.activation, "relu, gelu or swiglu (relu); of moe")
      ->check(one_of(activation_names()))
      ->group(kSizes);
  command.add_flag("--biases", o.biases, "Give the experts biases; of moe")->group(kSizes);
  add_list(
      command, "--distribution", o.distributions,
      "How tokens spread over experts (uniform): balanced, uniform, zipf, lognormal,\nhot, one "
      "or empty; several: one workload each")
      ->check(one_of(distribution_names()));
  add_list(command, "--sweep", o.sweep,
           "Vary tokens, experts, k or distribution over the standard values, one at a time")
      ->check(one_of({"tokens", "experts", "k", "distribution"}));
  command
      .add_flag("--map", o.map,
                "Take every combination of tokens, experts and distributions, for the\n"
                "break-even map of --html")
      ->group(kSizes);
  command
      .add_option("--trace", o.trace,
                  "Route as recorded: routed_experts [T, k] or [T, layers, k] in a safetensors\nor "
                  ".npy file")
      ->type_name("FILE")
      ->group(kSizes);
  command.add_option("--layer", o.layer, "Take this layer of the trace")
      ->check(whole_number(0, kAnySigned))
      ->capture_default_str()
      ->group(kSizes);
  command.add_option("--seed", o.seed, "Draw everything from this seed")
      ->check(whole_number(0, kAnyUnsigned))
      ->capture_default_str()
      ->group(kSizes);
  command.add_option("--step", o.step, "Draw the batch of this step")
      ->check(whole_number(0, kAnyUnsigned))
      ->capture_default_str()
      ->group(kSizes);
}

void add_outputs(CLI::App& command, BenchOptions& o) {
  command.add_option("--csv", o.csv, "Write all figures to this file")
      ->type_name("FILE")
      ->group(kOutputs);
  command.add_option("--html", o.html, "Write a page with charts to this file; it needs no other")
      ->type_name("FILE")
      ->group(kOutputs);
  command
      .add_option("--write-problem", o.problem,
                  "Write the layer's tensors and float64 results, for other programs, to this\n"
                  "safetensors file, and time nothing")
      ->type_name("FILE")
      ->group(kOutputs);
}

/// The first value of a list, or `otherwise`.
template <class T>
T first_or(const std::vector<T>& values, T otherwise) {
  return values.empty() ? otherwise : values.front();
}

/// What a sweep gives to a factor: what the user listed, or the standard values if asked for.
template <class T>
std::vector<T> values_of(const std::vector<T>& listed, const std::vector<T>& standard, bool swept) {
  return listed.size() > 1 || !swept ? listed : standard;
}

std::vector<Distribution> parse_all(const std::vector<std::string>& names) {
  std::vector<Distribution> list;
  for (const std::string& each : names) list.push_back(parse_distribution(each));
  return list;
}

Workload base_of(const BenchOptions& o) {
  Workload w;
  if (!o.preset.empty()) w = with_preset(w, find_preset(o.preset));
  w.tokens = first_or(o.tokens, w.tokens);
  w.experts = first_or(o.experts, w.experts);
  w.k = first_or(o.k, w.k);
  if (o.width) w.width = *o.width;
  if (o.width && o.preset.empty()) w.out = *o.width;
  w.out = o.out.value_or(w.out);
  w.hidden = o.hidden.value_or(w.hidden);
  if (o.activation) w.activation = parse_activation(*o.activation);
  w.biases = w.biases || o.biases;
  w.distribution =
      o.trace ? Distribution::kTrace : first_or(parse_all(o.distributions), w.distribution);
  return w;
}

}  // namespace

void add_bench_options(CLI::App& command, BenchOptions& o) {
  command.add_option("WHAT", o.what, "routing, moe or compare")
      ->check(one_of({"routing", "moe", "compare"}))
      ->required();
  command.add_option("FILES", o.files, "With compare: OLD and NEW, results that --json printed");
  command.add_option("--variant", o.variants, "Time these variants alone; all: every one")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--dtype", o.dtype, "float32 or float64; with moe bfloat16 too")
      ->check(one_of({"float32", "float64", "bfloat16"}))
      ->capture_default_str();
  command
      .add_option("--order", o.order,
                  "forward, backward, training (both) or hvp (a Hessian-vector product on a\nkept "
                  "graph)")
      ->check(one_of(order_names()))
      ->capture_default_str();
  command.add_option("--seconds", o.seconds, "Repeat for this long per workload")
      ->check(positive_number())
      ->capture_default_str();
  command.add_option("--repeats", o.repeats, "Time at least so many calls")
      ->check(whole_number(1, 100000))
      ->capture_default_str();
  command.add_option("--memory-limit", o.memory_limit,
                     "Skip workloads that need more than this, such as 8GiB (what there is)");
  add_sizes(command, o);
  add_outputs(command, o);
  add_place_options(command, o.compute, "cpu");
}

double parse_bytes(const std::string& text) {
  if (text.empty()) return 0.0;
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string unit = text.substr(end);
  const auto number = parse_whole_number(text.substr(0, end));
  const std::vector<std::string> units = {"", "KiB", "MiB", "GiB", "TiB"};
  const auto found = std::find(units.begin(), units.end(), unit);
  check<UsageError>(number && *number > 0 && found != units.end(),
                    "--memory-limit: expected a number above 0 and nothing, KiB, MiB, GiB or TiB "
                    "behind it, got '{}'",
                    text);
  return static_cast<double>(*number) *
         std::pow(1024.0, static_cast<double>(found - units.begin()));
}

std::vector<Workload> workloads_of(const BenchOptions& o) {
  const Workload base = base_of(o);
  check_workload(base);
  const auto swept = [&](const char* factor) {
    return std::find(o.sweep.begin(), o.sweep.end(), factor) != o.sweep.end();
  };
  const Sweep standard = standard_sweep();
  const Sweep sweep = {.tokens = values_of(o.tokens, standard.tokens, swept("tokens")),
                       .experts = values_of(o.experts, standard.experts, swept("experts")),
                       .k = values_of(o.k, standard.k, swept("k")),
                       .distributions = values_of(parse_all(o.distributions),
                                                  standard.distributions, swept("distribution"))};
  const bool many = sweep.tokens.size() > 1 || sweep.experts.size() > 1 || sweep.k.size() > 1 ||
                    sweep.distributions.size() > 1;
  check<UsageError>(!o.trace || (!many && !o.map && o.distributions.empty()),
                    "--trace: a trace fixes tokens, k and distribution; it takes no list, no "
                    "--sweep, no --map and no --distribution");
  return o.map ? every_combination(base, sweep) : one_factor_at_a_time(base, sweep);
}

RunOptions run_options_of(BenchOptions& o, Device device) {
  RunOptions run;
  run.benchmark = o.what;
  run.order = parse_order(o.order);
  run.dtype = parse_dtype(o.dtype);
  run.device = device;
  run.variants = o.variants;
  run.draw = {.seed = o.seed, .step = o.step};
  run.memory_limit = parse_bytes(o.memory_limit);
  run.timing = {.warm_up = 1,
                .min_repeats = o.repeats,
                .max_repeats = std::max(o.repeats, 1000),
                .target_seconds = o.seconds};
  if (!o.trace) return run;
  run.trace = read_trace(*o.trace, {.experts = base_of(o).experts, .layer = o.layer});
  check<UsageError>(o.k.empty() || o.k.front() == run.trace.size(1),
                    "--k: the trace {} has {} choices a token, got {}", *o.trace, run.trace.size(1),
                    o.k.empty() ? 0 : o.k.front());
  o.k = {run.trace.size(1)};
  if (o.tokens.empty()) o.tokens = {run.trace.size(0)};
  return run;
}

}  // namespace switchyard
