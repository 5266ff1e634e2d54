#include "analysis/moe_bench/workload.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/check.h"

namespace switchyard::moe_bench {
namespace {

using kernels::ExpertActivation;

constexpr std::array<std::string_view, 8> kDistributions = {
    "balanced", "uniform", "zipf", "lognormal", "hot", "one", "empty", "trace"};
constexpr std::array<std::string_view, 3> kActivations = {"relu", "gelu", "swiglu"};

template <std::size_t N>
std::size_t place_of(std::string_view what, std::string_view text,
                     const std::array<std::string_view, N>& names, std::size_t count = N) {
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(count);
  const auto found = std::find(names.begin(), end, text);
  check<UsageError>(found != end, "no {} '{}', there are: {}", what, text,
                    [&] { return fmt::format("{}", fmt::join(names.begin(), end, ", ")); });
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

std::string_view name(Distribution distribution) {
  return kDistributions[static_cast<std::size_t>(distribution)];
}
std::vector<std::string> distribution_names() {
  return {kDistributions.begin(), kDistributions.end() - 1};
}
Distribution parse_distribution(std::string_view text) {
  return static_cast<Distribution>(
      place_of("distribution", text, kDistributions, kDistributions.size() - 1));
}

std::string_view name(ExpertActivation activation) {
  return kActivations[static_cast<std::size_t>(activation)];
}
std::vector<std::string> activation_names() { return {kActivations.begin(), kActivations.end()}; }
ExpertActivation parse_activation(std::string_view text) {
  return static_cast<ExpertActivation>(place_of("activation", text, kActivations));
}

std::string Workload::to_string(char separator) const {
  return fmt::format("T{1}{0}D{2}{0}H{3}{0}C{4}{0}E{5}{0}k{6}{0}{7}{8}{0}{9}", separator, tokens,
                     width, hidden, out, experts, k, name(activation),
                     biases ? fmt::format("{}bias", separator) : "", name(distribution));
}

void check_workload(const Workload& w) {
  const auto positive = [](std::string_view what, std::int64_t value) {
    check<UsageError>(value >= 1, "--{}: must be at least 1, got {}", what, value);
  };
  check<UsageError>(w.tokens >= 0, "--tokens: must be at least 0, got {}", w.tokens);
  positive("width", w.width);
  positive("hidden", w.hidden);
  positive("out", w.out);
  positive("experts", w.experts);
  check<UsageError>(w.k >= 1 && w.k <= w.experts,
                    "--k: must be between 1 and the {} experts, got {}", w.experts, w.k);
  const double widest = static_cast<double>(std::max({w.width, 2 * w.hidden, w.out, w.experts}));
  const double most = std::max(static_cast<double>(w.tokens) * static_cast<double>(w.k),
                               static_cast<double>(w.experts) * widest) *
                      widest;
  check<UsageError>(most < std::ldexp(1.0, 59), "{}: such a layer has more than 2^59 numbers",
                    [&] { return w.to_string(); });
}

std::vector<Workload> one_factor_at_a_time(const Workload& base, const Sweep& sweep) {
  std::vector<Workload> list = {base};
  const auto add = [&](const auto& values, auto field) {
    for (const auto& value : values) {
      Workload next = base;
      next.*field = value;
      const bool known = std::find(list.begin(), list.end(), next) != list.end();
      if (!known && next.k <= next.experts) list.push_back(next);
    }
  };
  add(sweep.tokens, &Workload::tokens);
  add(sweep.experts, &Workload::experts);
  add(sweep.k, &Workload::k);
  add(sweep.distributions, &Workload::distribution);
  return list;
}

std::vector<Workload> every_combination(const Workload& base, const Sweep& sweep) {
  const auto or_base = [](auto values, auto value) {
    if (values.empty()) values.push_back(value);
    return values;
  };
  std::vector<Workload> list;
  for (const Distribution distribution : or_base(sweep.distributions, base.distribution)) {
    for (const std::int64_t experts : or_base(sweep.experts, base.experts)) {
      for (const std::int64_t tokens : or_base(sweep.tokens, base.tokens)) {
        Workload next = base;
        next.distribution = distribution;
        next.experts = experts;
        next.tokens = tokens;
        next.k = std::min(base.k, experts);
        list.push_back(next);
      }
    }
  }
  return list;
}

Sweep standard_sweep() {
  Sweep sweep;
  for (std::int64_t tokens = 128; tokens <= 65536; tokens *= 2) sweep.tokens.push_back(tokens);
  sweep.experts = {4, 7, 8, 16, 32, 64, 128, 160, 256};
  sweep.k = {1, 2, 4, 8};
  for (const std::string& each : distribution_names()) {
    sweep.distributions.push_back(parse_distribution(each));
  }
  return sweep;
}

}  // namespace switchyard::moe_bench
