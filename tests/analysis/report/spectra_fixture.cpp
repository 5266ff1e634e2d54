#include "tests/analysis/report/spectra_fixture.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

namespace switchyard::test {
namespace {

using nlohmann::json;

constexpr int kPairs = 3;
constexpr int kParameters = 375'000;

json bars(double probe, double iteration, double data) {
  return {{"probe", probe},
          {"iteration", iteration},
          {"data", data},
          {"total", std::hypot(probe, data) + iteration}};
}

/// Errors that fall tenfold in three products.
json convergence(double value, int products) {
  json result = {{"products", json::array()}, {"value", json::array()}, {"error", json::array()}};
  for (int i = 1; i <= products; ++i) {
    const double error = std::pow(10.0, -i / 3.0);
    result["products"].push_back(i);
    result["value"].push_back(value * (1.0 - 0.5 * error));
    result["error"].push_back(i == 1 ? json() : json(value * error));
  }
  return result;
}

json pairs(double value, int count) {
  json result = {{"pairs", json::array()},
                 {"products", 24},
                 {"converged", true},
                 {"missed_probability", 1e-4},
                 {"convergence", convergence(value, 12)}};
  for (int i = 0; i < count; ++i) {
    const double own = value / (1 + i);
    result["pairs"].push_back(
        {{"value", own}, {"residual", 1e-4 * own}, {"error", bars(0.0, 1e-4 * own, 0.2 * own)}});
  }
  return result;
}

json trace(double value) {
  return {{"mean", value},
          {"standard_error", 0.05 * value},
          {"samples", 8},
          {"products", 8},
          {"error", bars(0.1 * value, 0.0, 0.1 * value)},
          {"convergence", convergence(value, 8)}};
}

json density(double largest) {
  json points = json::array();
  json curve = {
      {"x", json::array()}, {"density", json::array()}, {"standard_error", json::array()}};
  for (int i = 0; i < 12; ++i) points.push_back({largest * i / 11.0, i == 0 ? 0.99 : 0.01 / 11});
  for (int i = 0; i < 50; ++i) {
    const double x = largest * (i - 5) / 44.0;
    curve["x"].push_back(x);
    curve["density"].push_back(std::exp(-std::abs(x) / largest * 20) + 1e-9);
    curve["standard_error"].push_back(nullptr);  // one probe
  }
  return {{"points", {points}},
          {"resolution", 0.06 * largest},
          {"products", 12},
          {"complete", true},
          {"curve", curve}};
}

json shares(const std::string& head, int experts, double whole) {
  std::vector<std::string> modules = {"backbone.backbone.conv1", "backbone.backbone.bn1",
                                      "backbone.backbone.layer1", "backbone.backbone.layer2"};
  if (head == "dense") {
    modules.push_back("head.net");
  } else {
    modules.push_back("head.gate");
    for (int e = 0; e < experts; ++e) modules.push_back(fmt::format("head.experts.{}", e));
  }
  json result = json::array();
  const auto count = static_cast<double>(modules.size());
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const double share = 2.0 * static_cast<double>(i + 1) / (count * (count + 1.0));
    result.push_back({{"module", modules[i]},
                      {"parameters", 1000},
                      {"trace", i == 0 ? -0.01 * whole : share * whole},
                      {"trace_error", 0.1 * share * whole},
                      {"top_eigenvector", share}});
  }
  return result;
}

json spectrum(int count, double largest) {
  std::vector<double> values;
  for (int i = count; i-- > 0;) values.push_back(largest * std::pow(10.0, -0.05 * i));
  values.front() = -0.01 * largest;
  return {{"values", values},
          {"trace", 2.0 * largest},
          {"asymmetry", 1e-16},
          {"error", {{"largest", bars(0, 0, 0.3 * largest)}, {"trace", bars(0, 0, largest)}}}};
}

json expert(int number, double eigenvalue) {
  json result = {{"expert", number}, {"images", number == 0 ? 0 : 20 * number}};
  if (number > 0) {
    result["curvature"] = {{"name", fmt::format("head.experts.{}", number)},
                           {"parameters", 8906},
                           {"top", pairs(eigenvalue / number, 1)},
                           {"trace", trace(4 * eigenvalue / number)}};
  }
  return result;
}

json boundary_mass() {
  json mass = {
      {"width", json::array()}, {"share", json::array()}, {"standard_error", json::array()}};
  for (int i = 0; i <= 40; ++i) {
    const double share = 1.0 - std::pow(1.0 - i / 40.0, 2);
    mass["width"].push_back(i / 40.0);
    mass["share"].push_back(share);
    mass["standard_error"].push_back(std::sqrt(share * (1.0 - share) / 250));
  }
  return mass;
}

json whole_set(const std::string& head, int experts, double eigenvalue) {
  return {{"images", 250},
          {"batches", 5},
          {"blocks",
           {{{"name", "all"},
             {"parameters", kParameters},
             {"top", pairs(eigenvalue, kPairs)},
             {"trace", trace(8 * eigenvalue)},
             {"density", density(eigenvalue)},
             {"shares", shares(head, experts, 8 * eigenvalue)}}}}};
}

json experts_set(const std::string& head, int experts, double eigenvalue) {
  json set = {{"images", 250},
              {"batches", 5},
              {"blocks",
               {{{"name", "head.gate"},
                 {"parameters", 1032},
                 {"top", pairs(0.1 * eigenvalue, 1)},
                 {"trace", trace(0.3 * eigenvalue)}}}},
              {"experts", json::array()}};
  for (int e = 0; e < experts; ++e) set["experts"].push_back(expert(e, eigenvalue));
  if (head != "soft_moe") set["boundary_mass"] = boundary_mass();
  return set;
}

json exact_set(int experts, double eigenvalue) {
  json blocks = {{{"name", "head.gate.w_gate"},
                  {"parameters", 40},
                  {"spectrum", spectrum(40, 0.1 * eigenvalue)}}};
  for (int e = 0; e < experts; ++e) {
    blocks.push_back({{"name", fmt::format("head.experts.{}.net.3", e)},
                      {"parameters", 10},
                      {"spectrum", spectrum(10, eigenvalue / (e + 2))}});
  }
  return {{"images", 250}, {"batches", 5}, {"blocks", blocks}};
}

json measurement(const char* dtype, const json& train, const json& test) {
  return {{"operator", "hessian"}, {"dtype", dtype},
          {"mode", "evaluation"},  {"seed", 1},
          {"complete", true},      {"sets", {{"train", train}, {"test", test}}}};
}

}  // namespace

json spectra_fixture(const std::string& head, int experts, double eigenvalue) {
  json whole = measurement("float32", whole_set(head, experts, eigenvalue),
                           whole_set(head, experts, 22 * eigenvalue));
  whole["principal_cosines"] = {{{"block", "all"}, {"cosines", {0.9, 0.5, 0.01}}}};
  json measurements = {whole};
  if (head != "dense") {
    measurements.push_back(measurement("float32", experts_set(head, experts, eigenvalue),
                                       experts_set(head, experts, 2 * eigenvalue)));
    measurements.push_back(
        measurement("float64", exact_set(experts, eigenvalue), exact_set(experts, 2 * eigenvalue)));
  }
  return {{"complete", true}, {"measurements", measurements}};
}

}  // namespace switchyard::test
