#include "analysis/moe_bench/runner.h"

#include <cmath>
#include <ctime>
#include <limits>

#include "analysis/moe_bench/call_times.h"
#include "analysis/moe_bench/layer_work.h"
#include "analysis/moe_bench/memory_need.h"
#include "engine/core/check.h"

namespace switchyard::moe_bench {
namespace {

/// The rows of the trace that step s takes.
Tensor choices_of(const Workload& w, const RunOptions& options) {
  const Tensor& trace = options.trace;
  if (!trace.defined()) return {};
  const auto first = static_cast<std::int64_t>(options.draw.step) * w.tokens;
  check<UsageError>(first >= 0 && first + w.tokens <= trace.size(0),
                    "--trace: step {} of {} tokens needs {} rows, the trace has {}",
                    options.draw.step, w.tokens, first + w.tokens, trace.size(0));
  const auto all = trace.span<std::int64_t>();
  const auto rows =
      all.subspan(static_cast<std::size_t>(first * w.k), static_cast<std::size_t>(w.slots()));
  return Tensor::from(Shape{w.tokens, w.k}, rows);
}

Row row_of(const LayerProblem& problem, const RunOptions& options) {
  Row row;
  row.benchmark = options.benchmark;
  row.order = options.order;
  row.dtype = options.dtype;
  row.device = options.device;
  row.workload = problem.workload;
  row.draw = options.draw;
  row.active = problem.active;
  row.tile_padding = problem.tile_padding;
  return row;
}

/// Calls once and compares; a message where the candidate gets no time.
void check_candidate(const Candidate& candidate, Device device, Row& row) {
  row.tolerance = candidate.tolerance;
  if (!candidate.refusal.empty()) {
    row.problem = candidate.refusal;
    return;
  }
  try {
    candidate.poison();
    candidate.call();
    synchronise(device);
    row.error = largest_error(candidate.results(), candidate.expected);
    if (!(row.error <= row.tolerance)) {
      row.problem = fmt::format(
          "disagrees with the reference: relative error {:.1e}, at most {:.0e}"
          " is right",
          row.error, row.tolerance);
    }
  } catch (const kernels::Refusal& refusal) {
    row.problem = fmt::format("refused: {}", refusal.what());
  } catch (const Error& error) {
    row.problem = fmt::format("failed: {}", error.what());
  }
}

void count_candidate(const Candidate& candidate, Device device, double idle_bytes, Row& row) {
  row.counts = count(device, candidate.call, idle_bytes);
  row.compulsory_bytes = candidate.bytes;
  row.flops = candidate.flops > 0.0 ? candidate.flops : row.counts.flops;
  const std::clock_t begin = std::clock();
  candidate.call();
  synchronise(device);
  row.cpu_seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

void set_times(const CallTimes& times, Row& row) {
  row.median = times.warm.median();
  row.p20 = times.warm.quantile(0.2);
  row.p80 = times.warm.quantile(0.8);
  row.calls = static_cast<std::int64_t>(times.warm.seconds.size());
  if (!times.cold) return;
  row.cold = ColdTimes{times.cold->median(), times.cold->quantile(0.2), times.cold->quantile(0.8)};
}

/// Times the candidates whose rows have no problem, in turns.
void time_candidates(const std::vector<Candidate>& candidates, const RunOptions& options,
                     std::span<Row> rows) {
  std::vector<std::function<void()>> calls;
  std::vector<std::size_t> place;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!rows[i].has_time()) continue;
    calls.push_back(candidates[i].call);
    place.push_back(i);
  }
  if (calls.empty()) return;
  const std::vector<CallTimes> times = time_in_turns(options.device, calls, options.timing);
  for (std::size_t j = 0; j < place.size(); ++j) set_times(times[j], rows[place[j]]);
}

/// All candidates together, or one after the other where each keeps a graph.
std::vector<Row> run_candidates(const std::vector<CandidateMaker>& makers, const Row& like,
                                double idle_bytes, const RunOptions& options) {
  const bool together = options.order != Order::kHvp;
  std::vector<Row> rows;
  std::vector<Candidate> candidates;
  for (const CandidateMaker& make : makers) {
    Row row = like;
    candidates.push_back(make());
    if (!candidates.back().refusal.empty() && is_wanted(options.variants, "all")) {
      candidates.pop_back();  // nobody asked for this one by its name
      continue;
    }
    row.stage = candidates.back().stage;
    row.variant = candidates.back().variant;
    check_candidate(candidates.back(), options.device, row);
    if (row.has_time()) count_candidate(candidates.back(), options.device, idle_bytes, row);
    rows.push_back(row);
    if (together) continue;
    time_candidates(candidates, options, std::span(rows).last(1));
    candidates.clear();
  }
  if (together) time_candidates(candidates, options, rows);
  return rows;
}

}  // namespace

std::vector<std::string> known_variants(const RunOptions& options) {
  if (options.benchmark == "routing") return routing_variants(options.device);
  std::vector<std::string> known = layer_variants(options.device);
  if (options.order == Order::kHvp) known.insert(known.begin(), "default");
  return known;
}

std::vector<Row> run_workload(const Workload& workload, const RunOptions& options) {
  check_workload(workload);
  check<UsageError>(
      options.benchmark == "moe" || options.dtype != DType::kBFloat16,
      "--dtype: routing is measured in float32 or float64, a gate's dtypes, got bfloat16");
  check_variants(options.variants, known_variants(options));
  const bool is_layer = options.benchmark == "moe";
  Workload sizes = workload;
  if (!is_layer) sizes.hidden = 1;  // the experts take no part: their matrices need not be there
  if (!is_layer) sizes.out = sizes.width;
  const Tensor choices = choices_of(sizes, options);
  try {
    check_memory(sizes, options.order, options.dtype, options.device, options.memory_limit);
    const LayerProblem problem =
        make_layer_problem(sizes, options.draw, options.dtype, options.device, choices);
    Row like = row_of(problem, options);
    if (options.with_rates) {
      like.rates = measure_rates(sizes, options.dtype, options.device,
                                 {.warm_up = 1,
                                  .min_repeats = 3,
                                  .max_repeats = 7,
                                  .target_seconds = options.timing.target_seconds / 4.0});
    }
    if (!is_layer) {
      return run_candidates(routing_candidates(problem, options.order, options.variants), like, 0.0,
                            options);
    }
    const Reference reference = reference_of(problem, options.order);
    return run_candidates(layer_candidates(problem, options.order, reference, options.variants),
                          like, idle_expert_bytes(problem), options);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    Row row;
    row.benchmark = options.benchmark;
    row.stage = is_layer ? "layer" : "routing";
    row.variant = "none";
    row.order = options.order;
    row.dtype = options.dtype;
    row.device = options.device;
    row.workload = sizes;
    row.draw = options.draw;
    row.problem = error.what();
    return {row};
  }
}

}  // namespace switchyard::moe_bench
