// switchyard_bench: times what a study spends its hours on. Prints JSON.

#include <CLI/CLI.hpp>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/benchmark.h"
#include "engine/core/check.h"
#include "engine/core/threads.h"
#include "engine/core/wait_policy.h"
#include "engine/io/json.h"

namespace switchyard::bench {
namespace {

using Benchmark = std::function<nlohmann::json(const BenchOptions&)>;

const std::map<std::string, Benchmark>& benchmarks() {
  static const std::map<std::string, Benchmark> all = {
      {"train_step", train_step},
      {"inference", inference},
      {"hvp",
       [](const BenchOptions& options) { return hessian_product(options, DType::kFloat32); }},
      {"hvp_float64",
       [](const BenchOptions& options) { return hessian_product(options, DType::kFloat64); }},
      {"curvature", curvature_products},
      {"curvature_memory", curvature_memory},
      {"convolutions", convolutions}};
  return all;
}

struct Run {
  std::string name;
  std::int64_t batch;
};
/// These runs, at the sizes of the study, are made when nothing is named.
const std::vector<Run> kDefault = {{"convolutions", 128}, {"train_step", 128}, {"inference", 1},
                                   {"inference", 128},    {"hvp", 128},        {"hvp_float64", 6}};

int run(int argc, char** argv) {
  CLI::App app("Times training step, inference, Hessian-vector product and their convolutions.",
               "switchyard_bench");
  std::vector<std::string> names;
  std::int64_t batch = 0;
  int threads = thread_count();
  std::string file;
  BenchOptions options;
  options.timing = {.warm_up = 1, .min_repeats = 3, .max_repeats = 20, .target_seconds = 5.0};
  std::vector<std::string> known;
  for (const auto& [name, benchmark] : benchmarks()) known.push_back(name);
  app.add_option("benchmark", names, "what to time; all in the study's sizes if none is named")
      ->check(CLI::IsMember(known));
  app.add_option("--batch", batch, "images per batch")->check(CLI::PositiveNumber);
  std::int64_t images = 0;
  app.add_option("--images", images, "images of curvature and curvature_memory (one batch)")
      ->check(CLI::PositiveNumber);
  app.add_option("--block", options.block_vectors,
                 "vectors of the blocks that curvature times; 0: none")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  std::size_t graph_megabytes = 0;
  app.add_option("--graph-memory", graph_megabytes,
                 "megabytes of the graphs that curvature keeps (half of what the system leaves)")
      ->check(CLI::PositiveNumber);
  app.add_option("--backbone", options.model.backbone.name, "resnet18 or small")
      ->capture_default_str();
  std::string model;
  app.add_option("--model", model, "a configuration's model object (default: the dense head)")
      ->excludes("--backbone");
  std::string device = "cpu";
  app.add_option("--device", device, "cpu, cuda or simt")->capture_default_str();
  app.add_option("--repeats", options.timing.min_repeats, "timed calls at least")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seconds", options.timing.target_seconds, "repeat until then, 20 times at most")
      ->capture_default_str();
  app.add_option("--threads", threads, "worker threads")->check(CLI::PositiveNumber);
  app.add_option("--json", file, "write the results there instead of to standard output");
  CLI11_PARSE(app, argc, argv);

  options.timing.max_repeats = std::max(options.timing.max_repeats, options.timing.min_repeats);
  if (graph_megabytes > 0) options.graph_memory_bytes = graph_megabytes * 1'000'000;
  set_thread_count(threads);
  std::vector<Run> runs;
  for (const std::string& name : names) runs.push_back({name, batch > 0 ? batch : 128});
  nlohmann::json results = {{"threads", threads}, {"benchmarks", nlohmann::json::array()}};
  options.device = parse_device(device);
  if (!model.empty()) {
    options.model = parse_model_config(parse_json(model, "--model"), "--model");
  }
  results["device"] = device;
  for (const Run& r : runs.empty() ? kDefault : runs) {
    if (r.name == "convolutions" && options.device != Device::kCpu) {
      check<UsageError>(runs.empty(), "convolutions: times oneDNN on the cpu, not {}", device);
      continue;
    }
    options.batch = batch > 0 ? batch : r.batch;
    options.images = images > 0 ? images : options.batch;
    for (const nlohmann::json& entry : benchmarks().at(r.name)(options)) {
      results["benchmarks"].push_back(entry);
    }
  }
  if (file.empty()) {
    std::cout << results.dump(2) << '\n';
    return 0;
  }
  std::ofstream out(file);
  out << results.dump(2) << '\n' << std::flush;
  check(out.good(), "{}: could not be written", file);
  return 0;
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  switchyard::share_processor(argv);
  try {
    return switchyard::bench::run(argc, argv);
  } catch (const switchyard::UsageError& error) {
    std::cerr << "switchyard_bench: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "switchyard_bench: " << error.what() << '\n';
    return 1;
  }
}
