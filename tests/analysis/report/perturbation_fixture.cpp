#include "tests/analysis/report/perturbation_fixture.h"

#include <cmath>
#include <string>
#include <vector>

namespace switchyard::test {
namespace {

using nlohmann::json;

json curve(double curvature, double base, double reach, double tilt) {
  std::vector<double> alphas, train, test;
  for (int i = -10; i <= 10; ++i) {
    const double a = reach * i / 10;
    alphas.push_back(a);
    train.push_back(base + 0.5 * curvature * a * a / (1 + 0.1 * a * a));
    test.push_back(base + 0.3 + 0.6 * curvature * a * a / (1 + 0.08 * a * a) + tilt * a);
  }
  return {{"alphas", rounded(alphas)}, {"train", rounded(train)}, {"test", rounded(test)}};
}

/// Accuracy and, with a gate, changed experts beside a curve's losses.
void add_shares(json& c, bool gated) {
  std::vector<double> accuracy, changed;
  for (const json& alpha : c.at("alphas")) {
    const double a = std::abs(alpha.get<double>());
    accuracy.push_back(0.1 + 0.7 / (1 + a * a));
    changed.push_back(a / (1 + a));
  }
  c["accuracy"] = {{"train", rounded(accuracy)}, {"test", rounded(accuracy)}};
  if (gated) c["changed"] = {{"train", rounded(changed)}, {"test", rounded(changed)}};
}

json surface(const std::string& x, const std::string& y, double curvature, double twist) {
  const std::vector<double> steps = {-1, -0.66667, -0.33333, 0, 0.33333, 0.66667, 1};
  json losses = json::array(), accuracies = json::array();
  for (const double b : steps) {
    std::vector<double> loss, accuracy;
    for (const double a : steps) {
      loss.push_back(0.4 + curvature * (a * a + 0.4 * b * b) + twist * a * b + 0.1 * a);
      accuracy.push_back(0.1 + 0.7 / (1 + 0.2 * loss.back() * loss.back()));
    }
    losses.push_back(rounded(loss));
    accuracies.push_back(rounded(accuracy));
  }
  const json values = {{"loss", losses}, {"accuracy", accuracies}};
  return {{"x", x},           {"y", y},          {"x_steps", steps},
          {"y_steps", steps}, {"train", values}, {"test", values}};
}

json rise(double value, bool gated) {
  json found = {{"rise", rounded(value)}, {"data_error", rounded(0.2 * value)}, {"accuracy", 0.6}};
  if (gated) found["changed"] = 0.2;
  return found;
}

}  // namespace

json perturbation_fixture(double eigenvalue, Random& random) {
  json eigenvector = curve(eigenvalue, 0.42, 1.0, 0.08 * jitter(random));
  eigenvector["eigenvalue"] = rounded(eigenvalue);
  json directions = json::array();
  for (const char* normalisation : {"filter", "none"}) {
    const bool filter = normalisation == std::string("filter");
    for (int seed = 1; seed <= 3; ++seed) {
      json c = curve(filter ? 1.6 + 0.4 * jitter(random) : 0.02 * (2 + jitter(random)), 0.42,
                     filter ? 1.0 : 5.0, 0.02 * jitter(random));
      c["normalisation"] = normalisation;
      c["seed"] = seed;
      directions.push_back(c);
    }
  }
  return {{"eigenvector", eigenvector}, {"random", directions}};
}

void add_surroundings(json& p, double eigenvalue, bool gated) {
  json second = p["eigenvector"];
  second["eigenvalue"] = rounded(0.6 * eigenvalue);
  p["lower_eigenvectors"] = {second};
  p["gradient"] = curve(0.5 * eigenvalue, 0.42, 1.0, 0.3);
  p["gradient"]["norm"] = 0.31;
  for (const char* line : {"eigenvector", "gradient"}) add_shares(p[line], gated);
  for (const char* list : {"lower_eigenvectors", "random"}) {
    for (json& line : p[list]) add_shares(line, gated);
  }
  p["surfaces"] = {surface("eigenvector 1", "eigenvector 2", 9 * eigenvalue, 4),
                   surface("filter 1", "filter 2", 1.2, -0.4),
                   surface("eigenvector 1", "gradient", 5 * eigenvalue, 1)};
  json balls = json::array(), averages = json::array();
  for (const double length : {0.02, 0.05, 0.1, 0.2}) {
    balls.push_back({{"radius", length},
                     {"first_order", rise(0.3 * length + eigenvalue * length * length, gated)},
                     {"ascent", rise(0.4 * length + 3 * eigenvalue * length * length, gated)}});
    const double sigma = length / 10;
    const double mean = 5 * eigenvalue * sigma * sigma * (1 + 40 * sigma);
    averages.push_back({{"sigma", sigma},
                        {"rise", rounded(mean)},
                        {"error", error_bars(0.1 * mean, 0, 0.2 * mean)},
                        {"accuracy", 0.7}});
  }
  p["worst_case"] = {{"train", balls}, {"test", balls}};
  p["noise"] = {{"pairs", 6}, {"train", averages}, {"test", averages}};
}

}  // namespace switchyard::test
