#include "tests/analysis/report/study_fixture.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/analysis/report/fixture_numbers.h"
#include "tests/analysis/report/perturbation_fixture.h"
#include "tests/analysis/report/spectra_fixture.h"

namespace switchyard::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kClasses = 10;

/// Shares that sum to 1, `spread` apart in logits.
std::vector<double> shares(const std::vector<double>& logits, double spread) {
  std::vector<double> p;
  double sum = 0;
  for (const double z : logits) {
    p.push_back(std::exp(spread * z));
    sum += p.back();
  }
  for (double& x : p) x /= sum;
  return p;
}

std::vector<double> random_logits(Random& random, int count) {
  std::vector<double> logits;
  for (int i = 0; i < count; ++i) logits.push_back(jitter(random));
  return logits;
}

json gate(const std::vector<double>& logits, double spread) {
  const std::vector<double> p = shares(logits, spread);
  double entropy = 0;
  for (const double x : p) entropy -= x * std::log(x);
  return {{"mean_probability", rounded(p)},
          {"load", rounded(shares(logits, 1.6 * spread))},
          {"entropy", rounded(0.5 * entropy)}};
}

json data_set() {
  return {
      {"name", "CIFAR-10"},
      {"directory", "cifar-10-batches-bin"},
      {"source", "fetched"},
      {"images", 60000},
      {"train", 45000},
      {"validation", 5000},
      {"test", 10000},
      {"augmentation", false},
      {"classes",
       {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}}};
}

json machine() {
  return {{"cpu", "Example Processor 8000 @ 2.00GHz"},
          {"cores", 2},
          {"threads", 2},
          {"memory_bytes", 8589934592},
          {"device", "cpu"},
          {"os", "Debian GNU/Linux 12 (bookworm)"},
          {"compiler", "GCC 12.2.0"},
          {"onednn", "2.6.3"},
          {"version", "0.1.0"},
          {"git_commit", "0123abc"}};
}

json config(const std::string& head, int seed, const StudyFixture& fixture) {
  json model = {{"backbone", {{"name", "small"}, {"in_channels", 3}}},
                {"head", {{"name", head}, {"classes", kClasses}, {"dropout", 0.1}}}};
  if (head == "dense") {
    model["head"]["width"] = 512;
  } else {
    model["head"]["experts"] = fixture.experts;
    model["head"]["expert_width"] = 64;
    model["head"]["temperature"] = 1.0;
  }
  if (head == "sparse_moe")
    model["head"].update({{"top_k", 2}, {"importance", 0.2}, {"load", 0.2}});
  return {{"seed", seed},
          {"model", model},
          {"epochs", fixture.epochs},
          {"batch_size", 128},
          {"optimizer", {{"rate", 0.1}, {"momentum", 0.9}, {"weight_decay", 5e-4}}},
          {"schedule", {{"kind", "one_cycle"}, {"warmup_fraction", 0.3}, {"anneal", "cosine"}}}};
}

json epoch(int number, const StudyFixture& fixture, double level, bool gated, bool balanced,
           const std::vector<double>& logits, Random& random) {
  const double progress = static_cast<double>(number) / fixture.epochs;
  const double train = 0.25 + 1.7 * level * std::exp(-2.6 * progress) + 0.01 * jitter(random);
  const double held = 0.62 + 1.2 * level * std::exp(-3.2 * progress) + 0.04 * jitter(random);
  const double balance = balanced ? 0.05 * std::exp(-3 * progress) : 0.0;
  json line = {{"epoch", number},
               {"learning_rate", rounded(0.1 * std::sin(3.1 * (0.03 + 0.96 * progress)))},
               {"seconds", rounded(15 + jitter(random))},
               {"train",
                {{"loss", rounded(train + balance)},
                 {"cross_entropy", rounded(train)},
                 {"balance_loss", rounded(balance)},
                 {"accuracy", rounded(1.0 - 0.36 * train)}}},
               {"validation",
                {{"loss", rounded(held + 0.5 * balance)},
                 {"cross_entropy", rounded(held)},
                 {"balance_loss", rounded(0.5 * balance)},
                 {"accuracy", rounded(1.0 - 0.34 * held)}}}};
  if (gated) {
    line["validation"]["gate"] = gate(logits, 0.15 + 0.5 * progress);
    line["train"]["gate"] = gate(logits, 0.1 + 0.4 * progress);
  }
  return line;
}

json curvature_set(double eigenvalue, double trace, bool routed, Random& random) {
  json set = {{"images", 500},
              {"loss", rounded(0.5 + 0.05 * jitter(random))},
              {"largest_eigenvalue",
               {{"value", rounded(eigenvalue)},
                {"residual", rounded(0.01 * eigenvalue)},
                {"iterations", 20},
                {"error", error_bars(0.0, 0.01 * eigenvalue, 0.1 * eigenvalue)}}},
              {"trace",
               {{"mean", rounded(trace)},
                {"standard_error", rounded(0.08 * trace)},
                {"samples", 16},
                {"error", error_bars(0.17 * trace, 0.0, 0.1 * trace)}}}};
  if (routed) set["routing_margin"] = {{"minimum", 3.1e-5}, {"median", 0.42}};
  return set;
}

json inference(double cost) {
  json batches = json::array();
  for (const int size : {1, 16, 128}) {
    const double ms = cost * (0.9 + 0.35 * size);
    batches.push_back({{"batch_size", size},
                       {"repeats", 50},
                       {"throughput", rounded(1000 * size / ms)},
                       {"latency_ms",
                        {{"mean", rounded(1.03 * ms)},
                         {"standard_deviation", rounded(0.06 * ms)},
                         {"median", rounded(ms)},
                         {"p20", rounded(0.98 * ms)},
                         {"p80", rounded(1.05 * ms)}}}});
  }
  return batches;
}

json efficiency(double cost) {
  return {{"parameters", static_cast<int>(702314 * cost)},
          {"threads", 2},
          {"peak_resident_bytes", static_cast<int64_t>(190e6 * cost)},
          {"inference", inference(cost)}};
}

json gain_entry(const std::string& name, const std::string& variant, double share, double cost) {
  return {{"name", name},
          {"variant", variant},
          {"multiply_adds", 1e6},
          {"routed_share", share},
          {"inference", inference(cost)}};
}

/// Naive routing that costs in whole models and gains in the token layer.
json routing_gain(const std::vector<std::string>& heads) {
  json models = json::array();
  json names = json::array();
  for (const std::string& head : heads) {
    const std::string run = head + "-seed1";
    names.push_back(run);
    if (head != "sparse_moe" && head != "hard_moe") {
      models.push_back(gain_entry(run, "", 0.0, head == "dense" ? 1.0 : 1.3));
      continue;
    }
    models.push_back(gain_entry(run, "mask_loop", 0.00014, 1.2));
    models.push_back(gain_entry(run, "fused", 0.00014, 0.95));
  }
  const json layers = {
      gain_entry("dense_all", "", 0.0, 4.0), gain_entry("dense_active", "", 0.0, 1.0),
      gain_entry("soft_slots", "", 0.0, 1.5), gain_entry("sparse", "mask_loop", 0.992, 3.0),
      gain_entry("sparse", "fused", 0.992, 1.1)};
  return {{"threads", 2},
          {"runs", names},
          {"scopes",
           {{{"scope", "model"}, {"entries", models}},
            {{"scope", "head"}, {"entries", models}},
            {{"scope", "layer"}, {"entries", layers}}}}};
}

json scores(int images, double loss, double accuracy, bool gated, int experts,
            const std::vector<double>& logits, Random& random) {
  json scores = {{"images", images}, {"loss", rounded(loss)}, {"accuracy", rounded(accuracy)}};
  if (!gated) return scores;
  scores["gate"] = gate(logits, 0.65);
  json rows = json::array();
  for (int c = 0; c < kClasses; ++c) {
    std::vector<double> row = random_logits(random, experts);
    row[static_cast<size_t>((3 * c + 1) % experts)] += 1.5;
    rows.push_back(rounded(shares(row, 1.4)));
  }
  scores["gate"]["class_by_expert"] = rows;
  return scores;
}

void write_json(const fs::path& path, const json& value) {
  std::ofstream(path) << value.dump(2) << '\n';
}

void write_run(const fs::path& directory, const std::string& head, int kind, int seed,
               const StudyFixture& fixture) {
  fs::create_directories(directory);
  Random random(static_cast<uint64_t>(1000 * kind + seed));
  const bool gated = head != "dense";
  const bool sparse = head == "sparse_moe" || head == "hard_moe";
  const double level = 1.0 + 0.08 * kind + 0.03 * jitter(random);
  const double eigenvalue = 2.4 / (1 + 0.7 * kind) * (1 + 0.1 * jitter(random));
  const std::vector<double> logits = random_logits(random, fixture.experts);
  std::ofstream metrics(directory / "metrics.jsonl");
  for (int i = 1; i <= fixture.epochs; ++i) {
    metrics << epoch(i, fixture, level, gated, sparse, logits, random).dump() << '\n';
  }
  write_json(directory / "config.json", config(head, seed, fixture));
  const double accuracy = 0.763 + 0.006 * kind + 0.004 * jitter(random);
  json results = {
      {"schema", "switchyard-run/1"},
      {"status", "complete"},
      {"weights", "last"},
      {"weights_epoch", fixture.epochs},
      {"best_epoch", fixture.epochs},
      {"best_validation_accuracy", rounded(accuracy + 0.008)},
      {"training_seconds", 151.3},
      {"data_set", data_set()},
      {"machine", machine()},
      {"test", scores(10000, 0.74, accuracy, gated, fixture.experts, logits, random)},
      {"train", scores(45000, 0.03, 0.9934 - 0.002 * kind, gated, fixture.experts, logits, random)},
      {"curvature",
       {{"dtype", "float32"},
        {"mode", "evaluation"},
        {"train", curvature_set(eigenvalue, 9.6 * eigenvalue, sparse, random)},
        {"test", curvature_set(22 * eigenvalue, 310 * eigenvalue, sparse, random)}}},
      {"perturbation", perturbation_fixture(eigenvalue, random)},
      {"efficiency", efficiency(1 + 0.04 * kind)}};
  if (fixture.surroundings) add_surroundings(results["perturbation"], eigenvalue, gated);
  if (fixture.spectra) results["spectra"] = spectra_fixture(head, fixture.experts, eigenvalue);
  write_json(directory / "results.json", results);
}

}  // namespace

void write_study_fixture(const fs::path& directory, const StudyFixture& fixture) {
  fs::create_directories(directory);
  json runs = json::array();
  for (size_t kind = 0; kind < fixture.heads.size(); ++kind) {
    for (int seed = 1; seed <= fixture.seeds; ++seed) {
      const std::string name = fixture.heads[kind] + "-seed" + std::to_string(seed);
      write_run(directory / name, fixture.heads[kind], static_cast<int>(kind), seed, fixture);
      runs.push_back(name);
    }
  }
  write_json(directory / "study.json", {{"schema", "switchyard-study/1"},
                                        {"title", "Dense, soft and sparse heads on CIFAR-10"},
                                        {"preset", "quick"},
                                        {"status", "complete"},
                                        {"command", "switchyard study --preset quick"},
                                        {"created", "2026-01-31T12:00:00Z"},
                                        {"seconds", 655.0},
                                        {"data_set", data_set()},
                                        {"machine", machine()},
                                        {"runs", runs}});
  if (fixture.routing_gain) {
    edit_json(directory / "study.json",
              [&](json& study) { study["routing_gain"] = routing_gain(fixture.heads); });
  }
}

void edit_json(const fs::path& file, const std::function<void(json&)>& edit) {
  json value = json::parse(std::ifstream(file));
  edit(value);
  write_json(file, value);
}

}  // namespace switchyard::test
