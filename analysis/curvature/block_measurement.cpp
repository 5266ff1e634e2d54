#include "analysis/curvature/block_measurement.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

enum Stream : std::uint64_t { kTop = 1, kBottom, kTrace };

/// What belongs to one module: parts[i] of the block where modules[i] is its name.
std::vector<std::size_t> module_of_parts(const ParameterBlock& block,
                                         const std::vector<std::string>& modules) {
  std::vector<std::size_t> result;
  for (const ParameterBlock::Part& part : block.parts()) {
    const auto owner = std::find(modules.begin(), modules.end(), module_name(part.name));
    result.push_back(static_cast<std::size_t>(owner - modules.begin()));
  }
  return result;
}

void add_trace_shares(std::vector<ModuleShare>& shares, const std::vector<std::size_t>& owners,
                      const TraceEstimate& trace) {
  for (std::size_t m = 0; m < shares.size(); ++m) {
    std::vector<double> samples;
    for (const std::vector<double>& parts : trace.part_samples) {
      double sum = 0.0;
      for (std::size_t p = 0; p < parts.size(); ++p) sum += owners[p] == m ? parts[p] : 0.0;
      samples.push_back(sum);
    }
    if (samples.empty()) continue;
    double mean = 0.0;
    for (const double sample : samples) mean += sample / static_cast<double>(samples.size());
    shares[m].trace = mean;
    shares[m].trace_error = standard_error_of_mean(samples);
  }
}

std::vector<ModuleShare> shares_of(const ParameterBlock& block,
                                   const BlockMeasurement& measurement) {
  const std::vector<std::string> modules = module_names(block);
  const bool traces = measurement.trace && !measurement.trace->part_samples.empty();
  if (modules.size() < 2 || (!traces && !measurement.top)) return {};
  std::vector<ModuleShare> shares;
  for (const std::string& module : modules) shares.push_back({.module = module});
  const std::vector<std::size_t> owners = module_of_parts(block, modules);
  const bool top = measurement.top && !measurement.top->pairs.empty();
  for (std::size_t p = 0; p < owners.size(); ++p) {
    ModuleShare& share = shares[owners[p]];
    share.parameters += block.part_dimension(p);
    if (!top) continue;
    const Tensor part = block.part(measurement.top->pairs[0].vector, p);
    share.top_eigenvector =
        share.top_eigenvector.value_or(0.0) + dot(std::span(&part, 1), std::span(&part, 1));
  }
  if (measurement.trace) add_trace_shares(shares, owners, *measurement.trace);
  return shares;
}

nlohmann::json to_json(const Convergence& convergence) {
  return {{"products", convergence.products},
          {"value", convergence.value},
          {"error", convergence.error}};
}

/// `watch`, with all that it is told noted down.
Watch noting(const Watch& watch, Convergence& convergence) {
  return [&watch, &convergence](const EstimateSoFar& estimate) {
    convergence.products.push_back(estimate.products);
    convergence.value.push_back(estimate.value);
    convergence.error.push_back(estimate.error);
    return watch(estimate);
  };
}

/// The same as long as no pair is found: what follows looks for others.
Watch noting_first(const Watch& watch, Convergence& convergence) {
  return [&watch, note = noting(watch, convergence)](const EstimateSoFar& estimate) {
    return estimate.error > 0.0 ? note(estimate) : watch(estimate);
  };
}

template <class T>
void add_if(nlohmann::json& json, const char* field, const std::optional<T>& value) {
  if (value) json[field] = to_json(*value);
}

}  // namespace

Generator first_start(const Generator& random) { return random.fork(kTop).fork(1); }

Generator trace_probes(const Generator& random) { return random.fork(kTrace); }

BlockMeasurement measure_block(SymmetricOperator& a, std::string name, const ParameterBlock& block,
                               Generator random, MeasurementOptions options, const Watch& watch) {
  BlockMeasurement result;
  result.name = std::move(name);
  result.parameters = dimension(a.like());
  bool over = false;
  const Watch watched = latched(watch, over);
  options.densities.watch = watched;
  options.hutchinson.watch = noting(watched, result.trace_convergence);
  const auto pairs = [&](int count, SpectrumEnd end, Stream stream) {
    options.eigenpairs.count = count;
    options.eigenpairs.end = end;
    return eigenpairs(a, random.fork(stream), options.eigenpairs);
  };
  options.eigenpairs.watch = noting_first(watched, result.top_convergence);
  if (options.top > 0) result.top = pairs(options.top, SpectrumEnd::kLargest, kTop);
  options.eigenpairs.watch = watched;
  if (options.bottom > 0 && !over) {
    result.bottom = pairs(options.bottom, SpectrumEnd::kSmallest, kBottom);
  }
  if (options.trace && !over) {
    options.hutchinson.parts = &block;
    result.trace = options.xtrace ? xtrace(a, trace_probes(random),
                                           {options.hutchinson.samples,
                                            options.hutchinson.tolerance, options.hutchinson.watch})
                                  : hutchinson_trace(a, trace_probes(random), options.hutchinson);
  }
  if (options.density && !over) {
    result.density = spectral_density(a, random.fork(kTop), options.densities);
  }
  if (options.spectrum && !over) {
    try {
      result.spectrum = dense_spectrum(a, {.watch = watched});
    } catch (const Error&) {
      if (!over) throw;  // a part of a dense matrix is of no use: the watch has ended it
    }
  }
  result.shares = shares_of(block, result);
  return result;
}

nlohmann::json to_json(const BlockMeasurement& measurement) {
  nlohmann::json json = {{"name", measurement.name}, {"parameters", measurement.parameters}};
  add_if(json, "top", measurement.top);
  add_if(json, "bottom", measurement.bottom);
  add_if(json, "trace", measurement.trace);
  if (measurement.top) json["top"]["convergence"] = to_json(measurement.top_convergence);
  if (measurement.trace) json["trace"]["convergence"] = to_json(measurement.trace_convergence);
  add_if(json, "density", measurement.density);
  add_if(json, "spectrum", measurement.spectrum);
  for (const ModuleShare& share : measurement.shares) {
    nlohmann::json entry = {{"module", share.module}, {"parameters", share.parameters}};
    if (share.trace) {
      entry["trace"] = *share.trace;
      entry["trace_error"] = ErrorBars{share.trace_error, 0.0, {}}.probe_half_width();
    }
    if (share.top_eigenvector) entry["top_eigenvector"] = *share.top_eigenvector;
    json["shares"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace switchyard
