#include "analysis/report/check_spectra.h"

#include <nlohmann/json.hpp>

#include "analysis/report/field_checks.h"

namespace switchyard {
namespace {

/// Arrays of numbers of one length.
void check_columns(const JsonField& table, std::initializer_list<const char*> names) {
  const size_t rows = table.at(*names.begin()).elements().size();
  for (const char* name : names) check_numbers(table.at(name), rows);
}

void check_convergence(const JsonField& estimate) {
  if (const auto convergence = estimate.find("convergence")) {
    check_columns(*convergence, {"products", "value", "error"});
  }
}

void check_pairs(const JsonField& result) {
  for (const JsonField& pair : result.at("pairs").elements()) {
    pair.at("value").number();
    pair.at("residual").number();
    check_error_bars(pair.at("error"));
  }
  result.at("converged").boolean();
  result.at("missed_probability").number();
  check_convergence(result);
}

void check_trace(const JsonField& trace) {
  trace.at("mean").number();
  trace.at("samples").integer(1);
  check_error_bars(trace.at("error"));
  check_convergence(trace);
}

void check_density(const JsonField& density) {
  density.at("resolution").number();
  for (const JsonField& probe : density.at("points").elements()) {
    for (const JsonField& point : probe.elements()) check_numbers(point, 2);
  }
  const JsonField curve = density.at("curve");  // null for a single eigenvalue
  if (!curve.json().is_null()) check_columns(curve, {"x", "density", "standard_error"});
}

void check_shares(const JsonField& shares) {
  for (const JsonField& share : shares.elements()) {
    share.at("module").string();
    share.at("parameters").integer(1);
    if (const auto trace = share.find("trace")) {
      trace->number();
      share.at("trace_error").number();
    }
    if (const auto top = share.find("top_eigenvector")) top->fraction();
  }
}

void check_block(const JsonField& block) {
  block.at("name").string();
  block.at("parameters").integer(1);
  if (const auto top = block.find("top")) check_pairs(*top);
  if (const auto bottom = block.find("bottom")) check_pairs(*bottom);
  if (const auto trace = block.find("trace")) check_trace(*trace);
  if (const auto density = block.find("density")) check_density(*density);
  if (const auto spectrum = block.find("spectrum")) {
    for (const JsonField& value : spectrum->at("values").elements()) value.number();
    spectrum->at("trace").number();
    check_error_bars(spectrum->at("error").at("largest"));
    check_error_bars(spectrum->at("error").at("trace"));
  }
  if (const auto shares = block.find("shares")) check_shares(*shares);
}

void check_set(const JsonField& set) {
  set.at("images").integer(1);
  for (const JsonField& block : set.at("blocks").elements()) check_block(block);
  if (const auto experts = set.find("experts")) {
    for (const JsonField& expert : experts->elements()) {
      expert.at("expert").integer(0);
      expert.at("images").integer(0);
      if (const auto curvature = expert.find("curvature")) check_block(*curvature);
    }
  }
  if (const auto mass = set.find("boundary_mass")) {
    check_columns(*mass, {"width", "share", "standard_error"});
    for (const JsonField& share : mass->at("share").elements()) share.fraction();
  }
}

void check_measurement(const JsonField& measurement) {
  measurement.at("operator").string();
  measurement.at("dtype").string();
  for (const char* set : {"train", "test"}) check_set(measurement.at("sets").at(set));
  if (const auto blocks = measurement.find("principal_cosines")) {
    for (const JsonField& block : blocks->elements()) {
      block.at("block").string();
      for (const JsonField& cosine : block.at("cosines").elements()) cosine.fraction();
    }
  }
}

}  // namespace

void check_spectra(const JsonField& spectra) {
  spectra.at("complete").boolean();
  for (const JsonField& measurement : spectra.at("measurements").elements()) {
    check_measurement(measurement);
  }
}

}  // namespace switchyard
