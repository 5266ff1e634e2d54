#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/api/moe.h"

// What a benchmark of a token MoE layer is about: sizes, and how tokens spread over experts.

namespace switchyard::moe_bench {

/// Says how tokens choose experts (distribution.h draws them).
enum class Distribution : std::uint8_t {
  kBalanced,   ///< every expert gets the same number of tokens, give or take one
  kUniform,    ///< each choice falls on every expert with the same probability
  kZipf,       ///< expert e is chosen in proportion to 1 / (e + 1)
  kLogNormal,  ///< in proportion to exp(z), z standard normal, drawn once per expert
  kHot,        ///< an eighth of the experts draws half of the choices
  kOne,        ///< all tokens choose the same k experts
  kEmpty,      ///< every second expert gets nothing, the others are chosen uniformly
  kTrace,      ///< a recorded routing (trace.h)
};

/// "balanced", "uniform", "zipf", "lognormal", "hot", "one", "empty", "trace".
std::string_view name(Distribution distribution);
/// The names that a user may ask for, in the order above: all but "trace".
std::vector<std::string> distribution_names();
/// Inverts name(). Errors: UsageError with the known names.
Distribution parse_distribution(std::string_view text);

/// "relu", "gelu", "swiglu".
std::string_view name(kernels::ExpertActivation activation);
std::vector<std::string> activation_names();
/// Errors: UsageError with the known names.
kernels::ExpertActivation parse_activation(std::string_view text);

/// Sizes of a layer and its tokens. The letters are those of kernels/api/moe.h.
struct Workload {
  std::int64_t tokens = 1024;  ///< T
  std::int64_t width = 512;    ///< D, columns of a token
  std::int64_t hidden = 2048;  ///< H, hidden units of an expert
  std::int64_t out = 512;      ///< C, columns of a result
  std::int64_t experts = 8;    ///< E
  std::int64_t k = 2;          ///< experts of a token
  kernels::ExpertActivation activation = kernels::ExpertActivation::kRelu;
  bool biases = false;
  Distribution distribution = Distribution::kUniform;

  std::int64_t slots() const { return tokens * k; }
  std::int64_t wide() const { return kernels::pre_activations(activation, hidden); }
  /// "T1024 D512 H2048 C512 E8 k2 relu uniform", with "bias" where there are biases.
  std::string to_string(char separator = ' ') const;
  bool operator==(const Workload&) const = default;
};

/// Errors: UsageError naming the size for one below 1 (tokens: below 0), k above the experts, or a
/// layer whose numbers cannot be counted in 62 bits.
void check_workload(const Workload& workload);

/// The sizes of the experts of a published model. The number of tokens is the user's.
struct Preset {
  std::string_view name;
  std::string_view title;   ///< as its authors write it
  std::string_view source;  ///< where the sizes stand
  std::int64_t width, hidden, out, experts, k;
  kernels::ExpertActivation activation;
  bool biases;
  std::string_view remark;  ///< how the layer here differs from the published one; may be empty
};
std::span<const Preset> presets();
/// Errors: UsageError with the known names.
const Preset& find_preset(std::string_view name);
/// `workload` with the preset's sizes; tokens and distribution stay.
Workload with_preset(Workload workload, const Preset& preset);

/// The values that a sweep gives to each factor; an empty list leaves the factor as it is.
struct Sweep {
  std::vector<std::int64_t> tokens, experts, k;
  std::vector<Distribution> distributions;
};
/// The sizes of DESIGN 10: tokens 128 ... 65536, experts 4 ... 256 and 7 and 160, k 1 ... 8, all
/// distributions.
Sweep standard_sweep();

/// `base`, and then a workload for each value of each factor, the others as in `base`; none twice.
/// Those with more choices than experts are left out.
std::vector<Workload> one_factor_at_a_time(const Workload& base, const Sweep& sweep);
/// Every combination of distribution, experts and tokens, k as in `base` but at most the experts.
std::vector<Workload> every_combination(const Workload& base, const Sweep& sweep);

}  // namespace switchyard::moe_bench
