#include "analysis/report/check_results.h"

#include <nlohmann/json.hpp>

#include "analysis/report/check_perturbation.h"
#include "analysis/report/check_spectra.h"
#include "analysis/report/field_checks.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

void check_data_set(const JsonField& data_set) {
  data_set.at("name").string();
  data_set.at("directory").string();
  check_one_of(data_set.at("source"), {"given", "fetched", "built-in"});
  data_set.at("augmentation").boolean();
  for (const char* count : {"images", "train", "validation", "test"}) {
    data_set.at(count).integer(0);
  }
  for (const JsonField& name : data_set.at("classes").elements()) name.string();
}

void check_machine(const JsonField& machine) {
  for (const char* text : {"cpu", "device", "os", "compiler", "onednn", "version", "git_commit"}) {
    machine.at(text).string();
  }
  for (const char* count : {"cores", "threads", "memory_bytes"}) machine.at(count).integer(1);
}

void check_gate(const JsonField& gate, const RunShape& shape) {
  check_fractions(gate.at("mean_probability"), shape.experts);
  check_fractions(gate.at("load"), shape.experts);
  gate.at("entropy").number();
}

/// `test` or `train`: how the run scores on a set of images.
void check_scores(const JsonField& scores, const RunShape& shape) {
  scores.at("images").integer(1);
  scores.at("loss").number();
  scores.at("accuracy").fraction();
  if (shape.experts == 0) return;
  const JsonField gate = scores.at("gate");
  check_gate(gate, shape);
  for (const JsonField& row : gate.at("class_by_expert").elements(shape.classes)) {
    check_fractions(row, shape.experts);
  }
}

/// None in files of earlier versions.
void check_error(const JsonField& estimate) {
  if (const auto error = estimate.find("error")) check_error_bars(*error);
}

void check_curvature(const JsonField& curvature) {
  check_one_of(curvature.at("dtype"), {"float32", "float64"});
  check_one_of(curvature.at("mode"), {"evaluation", "train"});
  for (const char* name : {"train", "test"}) {
    const JsonField set = curvature.at(name);
    set.at("images").integer(1);
    set.at("loss").number();
    const JsonField eigenvalue = set.at("largest_eigenvalue");
    eigenvalue.at("value").number();
    eigenvalue.at("residual").number();
    eigenvalue.at("iterations").integer(1);
    check_error(eigenvalue);
    if (const auto converged = eigenvalue.find("converged")) converged->boolean();
    const JsonField trace = set.at("trace");
    trace.at("mean").number();
    trace.at("standard_error").number();
    trace.at("samples").integer(1);
    check_error(trace);
    if (const auto margin = set.find("routing_margin")) {
      margin->at("minimum").number();
      margin->at("median").number();
    }
  }
}

void check_inference(const JsonField& inference) {
  for (const JsonField& batch : inference.elements()) {
    batch.at("batch_size").integer(1);
    batch.at("repeats").integer(1);
    batch.at("throughput").number();
    const JsonField latency = batch.at("latency_ms");
    for (const char* name : {"mean", "standard_deviation", "median", "p20", "p80"}) {
      latency.at(name).number();
    }
  }
}

/// Runs are named whether or not the study lists them: an interrupted one may not list all yet.
void check_routing_gain(const JsonField& gain) {
  gain.at("threads").integer(1);
  for (const JsonField& run : gain.at("runs").elements()) run.string();
  for (const JsonField& scope : gain.at("scopes").elements()) {
    check_one_of(scope.at("scope"), {"model", "head", "layer"});
    const bool is_layer = scope.at("scope").string() == "layer";
    for (const JsonField& entry : scope.at("entries").elements()) {
      entry.at("name").string();
      if (is_layer) {
        check_one_of(entry.at("name"), {"dense_all", "dense_active", "soft_slots", "sparse"});
      }
      check_one_of(entry.at("variant"), {"", "mask_loop", "fused"});
      entry.at("multiply_adds").number();
      entry.at("routed_share").fraction();
      check_inference(entry.at("inference"));
    }
  }
}

void check_efficiency(const JsonField& efficiency) {
  efficiency.at("parameters").integer(1);
  efficiency.at("threads").integer(1);
  efficiency.at("peak_resident_bytes").integer(0);
  if (const auto routed = efficiency.find("routed_share")) routed->fraction();
  check_inference(efficiency.at("inference"));
}

}  // namespace

std::vector<std::string> check_study(const JsonField& study) {
  for (const char* text : {"title", "preset", "command", "created"}) study.at(text).string();
  study.at("seconds").number();
  check_one_of(study.at("status"), {"complete", "interrupted"});
  check_data_set(study.at("data_set"));
  check_machine(study.at("machine"));
  std::vector<std::string> names;
  for (const JsonField& run : study.at("runs").elements()) {
    const std::string& name = run.string();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      run.fail(fmt::format("expected the name of a directory in the study's, got '{}'", name));
    }
    names.push_back(name);
  }
  if (names.empty()) study.at("runs").fail("no finished run to report");
  if (const auto gain = study.find("routing_gain")) check_routing_gain(*gain);
  return names;
}

RunShape check_run(const JsonField& config, const JsonField& results) {
  config.at("seed").integer(0);
  const JsonField model = config.at("model");
  const JsonField backbone = model.at("backbone");
  backbone.at("name").string();
  const JsonField head = model.at("head");
  const JsonField head_name = head.at("name");
  check_one_of(head_name, {"dense", "soft_moe", "sparse_moe", "hard_moe"});

  check_one_of(results.at("status"), {"complete", "interrupted"});
  check_data_set(results.at("data_set"));
  check_machine(results.at("machine"));
  if (const auto weights = results.find("weights")) check_one_of(*weights, {"best", "last"});
  if (const auto epoch = results.find("weights_epoch")) epoch->integer(0);
  results.at("best_epoch").integer(0);
  results.at("best_validation_accuracy").fraction();
  results.at("training_seconds").number();
  if (const auto routed = results.find("routed_share")) routed->fraction();

  RunShape shape;
  shape.classes = results.at("data_set").at("classes").elements().size();
  if (const auto moe = backbone.find("moe")) {
    shape.experts = static_cast<size_t>(moe->at("experts").integer(1));
  } else if (head_name.string() != "dense") {
    shape.experts = static_cast<size_t>(head.at("experts").integer(1));
  }
  if (head_name.string() == "sparse_moe") head.at("top_k").integer(1);
  check_scores(results.at("test"), shape);
  if (const auto train = results.find("train")) check_scores(*train, shape);
  if (const auto curvature = results.find("curvature")) check_curvature(*curvature);
  if (const auto spectra = results.find("spectra")) check_spectra(*spectra);
  if (const auto perturbation = results.find("perturbation")) check_perturbation(*perturbation);
  if (const auto efficiency = results.find("efficiency")) check_efficiency(*efficiency);
  return shape;
}

void check_epoch(const JsonField& epoch, const RunShape& shape) {
  epoch.at("epoch").integer(1);
  epoch.at("learning_rate").number();
  epoch.at("seconds").number();
  for (const char* name : {"train", "validation"}) {
    const JsonField split = epoch.at(name);
    for (const char* loss : {"loss", "cross_entropy", "balance_loss"}) split.at(loss).number();
    split.at("accuracy").fraction();
    if (const auto gate = split.find("gate")) check_gate(*gate, shape);
  }
  if (shape.experts > 0) epoch.at("validation").at("gate");
}

}  // namespace switchyard
