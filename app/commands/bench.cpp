#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "analysis/moe_bench/compare.h"
#include "analysis/moe_bench/page.h"
#include "analysis/moe_bench/problem_file.h"
#include "app/bench_options.h"
#include "app/command.h"
#include "app/machine.h"
#include "app/output.h"
#include "app/signals.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

using namespace moe_bench;

int run_compare(const BenchOptions& options) {
  check<UsageError>(options.files.size() == 2,
                    "bench compare: expected two files, OLD and NEW, got {}", options.files.size());
  const std::vector<TimedRow> old_rows = read_rows(options.files[0]);
  const std::vector<Comparison> rows = compare_all(old_rows, read_rows(options.files[1]));
  if (json_wanted()) {
    print_json(to_json(rows));
  } else {
    print_text(std::string_view(comparison_text(rows)));
  }
  return kSuccess;
}

int write_problem(const BenchOptions& options, const RunOptions& run,
                  const std::vector<Workload>& workloads) {
  check<UsageError>(workloads.size() == 1, "--write-problem: takes one workload, got {}",
                    workloads.size());
  write_problem_file(*options.problem, workloads.front(), run);
  if (json_wanted()) {
    print_json({{"problem", *options.problem}});
  } else {
    print_text("{}\n", *options.problem);
  }
  return kSuccess;
}

nlohmann::json results_of(const std::vector<Row>& rows, Device device) {
  return google_json(rows, describe_machine(std::string(name(device)), thread_count()));
}

void write_files(const BenchOptions& options, const std::vector<Row>& rows, Device device) {
  if (options.csv) write_file_atomic(*options.csv, csv_text(rows));
  if (options.html) write_file_atomic(*options.html, bench_page(results_of(rows, device)));
}

/// Runs all workloads, printing each as it comes and writing the files anew, so that a benchmark
/// that is stopped, or killed, leaves what it has measured.
std::vector<Row> run_all(const std::vector<Workload>& workloads, const BenchOptions& options,
                         const RunOptions& run, const StopSignal& stop) {
  std::vector<Row> rows;
  for (const Workload& workload : workloads) {
    if (stop.requested()) break;
    const std::vector<Row> next = run_workload(workload, run);
    if (!json_wanted()) print_text(std::string_view(table_text(next)));
    flush_stdout();
    rows.insert(rows.end(), next.begin(), next.end());
    write_files(options, rows, run.device);
  }
  return rows;
}

int run_bench(BenchOptions options) {
  if (options.what == "compare") return run_compare(options);
  check<UsageError>(options.files.empty(), "bench {}: nothing takes the argument {}", options.what,
                    options.files.empty() ? "" : options.files.front());
  const Device device = start_computing(options.compute);
  const RunOptions run = run_options_of(options, device);
  const std::vector<Workload> workloads = workloads_of(options);
  check_variants(run.variants, known_variants(run));
  if (options.problem) return write_problem(options, run, workloads);
  write_files(options, {}, device);  // now rather than after the work: a path may be wrong
  const StopSignal stop;
  const std::vector<Row> rows = run_all(workloads, options, run, stop);
  if (json_wanted()) print_json(results_of(rows, device));
  if (stop.requested()) return kInterrupted;
  const auto timed = [](const Row& row) { return row.has_time(); };
  check(std::any_of(rows.begin(), rows.end(), timed), "bench {}: nothing was timed: {}",
        options.what, rows.empty() ? "no workload" : rows.front().problem);
  const auto is_wrong = [](const Row& row) { return row.problem.starts_with("disagrees"); };
  return std::any_of(rows.begin(), rows.end(), is_wrong) ? kFailed : kSuccess;
}

std::string footer() {
  std::string text =
      R"(routing times gate logits to slots and back, every rung of every kernel and the whole way;
moe times the experts of a token layer, every rung of its ladder. Each variant is first compared
with float64 on the host: one that disagrees gets its error printed and no time, and the exit code
is 1. Variants of a workload are timed in turns.

  switchyard bench moe --tokens 4096 --experts 8,64 --order training
  switchyard bench moe --preset olmoe-1b-7b --tokens 256 --distribution balanced,zipf
  switchyard bench moe --sweep tokens,experts --map --html map.html
  switchyard bench routing --sweep tokens --json > old.json
  switchyard bench compare old.json new.json

Ctrl-C ends it after the workload that is under way; --csv and --html are written after each.

Columns: median time and the 20th to 80th percentile; kernels, launched grids and host waits of a
call; bytes that its kernels declare to move, and the least that any implementation moves (matrices
of experts without tokens left out); that rate beside the one of a copy, and the arithmetic rate
beside the one of a dense product of as many flops, both measured in the same run; the largest
relative error. On a GPU the times are between two events, each call right after one of the same,
and "cold L2" is the time after the cache was overwritten. On simt times are the host's and say
nothing about a GPU. A figure that a device does not have is "-", and left out of JSON and CSV. The
heading says how many rows of tiles of 64 slots would be empty, tiles being of one expert each.

compare calls a row faster or slower where the intervals from the 20th to the 80th percentile do
not overlap; same where they do and the medians differ by at most 3 %; undecided otherwise, and
where a side has no time or fewer than 5 timed calls.

Presets (sizes D, H, C, E, k):
)";
  for (const Preset& p : presets()) {
    text += fmt::format("  {:<15} {} -> {} -> {}, {} experts, k {}, {}: {}{}{}\n", p.name, p.width,
                        p.hidden, p.out, p.experts, p.k, moe_bench::name(p.activation), p.source,
                        p.remark.empty() ? "" : "; ", p.remark);
  }
  return text;
}

Action add_bench(CLI::App& command) {
  command.footer(footer());
  const auto options = std::make_shared<BenchOptions>();
  add_bench_options(command, *options);
  return [=] { return run_bench(*options); };
}

const CommandRegistration kBench(
    {Command::Group::kKernels, "bench",
     "Time routing and the MoE layer, every variant, or compare results", add_bench});

}  // namespace
}  // namespace switchyard
