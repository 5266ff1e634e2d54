#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/moe_bench/runner.h"
#include "app/compute_options.h"

namespace switchyard {

/// What a user says to `bench routing` and `bench moe`.
struct BenchOptions {
  std::string what;                ///< routing, moe or compare
  std::vector<std::string> files;  ///< of compare: OLD NEW
  ComputeOptions compute;
  std::vector<std::string> variants = {"all"};
  std::string dtype = "float32";
  std::string order = "forward";
  std::string preset;
  std::vector<std::int64_t> tokens, experts, k;
  std::optional<std::int64_t> width, hidden, out;
  std::optional<std::string> activation;
  bool biases = false;
  std::vector<std::string> distributions;
  std::vector<std::string> sweep;
  bool map = false;
  std::optional<std::string> trace;
  std::int64_t layer = 0;
  std::uint64_t seed = 1;
  std::uint64_t step = 0;
  std::string memory_limit;  ///< "8GiB"; empty: what there is
  double seconds = 1.0;
  int repeats = 5;
  std::optional<std::string> csv, html, problem;
};

void add_bench_options(CLI::App& command, BenchOptions& options);

/// The workloads that the options name: the base alone, a value of one factor at a time, or with
/// --map all combinations. Errors: UsageError naming the option.
std::vector<moe_bench::Workload> workloads_of(const BenchOptions& options);

/// How to run them. Reads the trace, of which `k` and the number of tokens come where they are not
/// given: `options` gets them. Errors: UsageError, those of the trace.
moe_bench::RunOptions run_options_of(BenchOptions& options, Device device);

/// "1048576", "512MiB", "8GiB" in bytes; 0 for an empty text. Errors: UsageError.
double parse_bytes(const std::string& text);

}  // namespace switchyard
