#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace switchyard::test {

// The numbers of made-up results: seeded, and short in a file.

using Random = std::mt19937_64;

/// Uniform in [-1, 1): the same on every standard library, unlike std::uniform_real_distribution.
inline double jitter(Random& random) { return static_cast<double>(random() >> 11) * 0x1p-52 - 1.0; }

inline double rounded(double x) { return std::round(x * 1e5) / 1e5; }

inline nlohmann::json rounded(const std::vector<double>& values) {
  nlohmann::json array = nlohmann::json::array();
  for (const double x : values) array.push_back(rounded(x));
  return array;
}

/// Half-widths of an estimate, and their sum.
inline nlohmann::json error_bars(double probe, double iteration, double data) {
  return {{"probe", rounded(probe)},
          {"iteration", rounded(iteration)},
          {"data", rounded(data)},
          {"total", rounded(std::hypot(probe, data) + iteration)}};
}

}  // namespace switchyard::test
