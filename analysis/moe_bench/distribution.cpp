#include "analysis/moe_bench/distribution.h"

#include <cmath>
#include <numbers>

#include "engine/core/check.h"
#include "engine/core/random.h"

namespace switchyard::moe_bench {
namespace {

/// Numbers in (0, 1), one per 32 random bits.
class Uniform {
 public:
  explicit Uniform(const Generator& generator) : generator_(generator) {}
  double next() {
    if (used_ == words_.size()) {
      words_ = generator_.block(block_++);
      used_ = 0;
    }
    return (static_cast<double>(words_[used_++]) + 0.5) / 4294967296.0;
  }

 private:
  Generator generator_;
  std::array<std::uint32_t, 4> words_ = {};
  std::size_t used_ = 4;
  std::uint64_t block_ = 0;
};

/// The popularity of each expert, in any unit; 0 for one that is never chosen.
std::vector<double> popularity(const Workload& w, std::uint64_t seed) {
  const auto experts = static_cast<std::size_t>(w.experts);
  std::vector<double> p(experts, 1.0);
  const std::size_t hot = (experts + 7) / 8;
  Uniform random(Generator(seed).fork(0));
  for (std::size_t e = 0; e < experts; ++e) {
    if (w.distribution == Distribution::kZipf) p[e] = 1.0 / static_cast<double>(e + 1);
    if (w.distribution == Distribution::kLogNormal) {
      const double radius = std::sqrt(-2.0 * std::log(random.next()));  // Box and Muller (1958)
      p[e] = std::exp(radius * std::cos(2.0 * std::numbers::pi * random.next()));
    }
    if (w.distribution == Distribution::kHot && hot < experts) {
      p[e] = e < hot ? 0.5 / static_cast<double>(hot) : 0.5 / static_cast<double>(experts - hot);
    }
    // Where k leaves no choice, an expert that should stay empty is taken as well.
    if (w.distribution == Distribution::kEmpty && 2 * w.k <= w.experts + 1) p[e] = e % 2 == 0;
  }
  return p;
}

/// Choices that are not drawn: round about the experts, or always the first k.
Tensor fixed_choices(const Workload& w, std::uint64_t first) {
  std::vector<std::int64_t> choices;
  choices.reserve(static_cast<std::size_t>(w.slots()));
  for (std::int64_t a = 0; a < w.slots(); ++a) {
    const bool one = w.distribution == Distribution::kOne;
    choices.push_back(one ? a % w.k : (a + static_cast<std::int64_t>(first % 65536)) % w.experts);
  }
  return Tensor::from(Shape{w.tokens, w.k}, choices);
}

}  // namespace

Tensor logits_of_choices(const Tensor& choices, std::int64_t experts) {
  const std::int64_t tokens = choices.size(0);
  const std::int64_t k = choices.size(1);
  Tensor logits = Tensor::zeros({tokens, experts}, DType::kFloat32);
  float* const to = logits.data<float>();
  const auto chosen = std::as_const(choices).span<std::int64_t>();
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t e = chosen[static_cast<std::size_t>(t * k + j)];
      to[t * experts + e] = 4.0F + static_cast<float>(k - j) / static_cast<float>(k);
    }
  }
  return logits;
}

Tensor draw_logits(const Workload& w, Draw draw) {
  check(w.distribution != Distribution::kTrace, "[draw_logits] a trace's choices come from a file");
  if (w.distribution == Distribution::kBalanced || w.distribution == Distribution::kOne) {
    return logits_of_choices(fixed_choices(w, draw.seed + draw.step), w.experts);
  }
  const std::vector<double> p = popularity(w, draw.seed);
  std::vector<double> log_p;
  // -40 lies below every Gumbel number that 32 random bits can make of another expert.
  for (const double each : p) log_p.push_back(each > 0.0 ? std::log(each) : -40.0);
  Uniform random(Generator(draw.seed).fork(draw.step + 1));
  Tensor logits = Tensor::empty({w.tokens, w.experts}, DType::kFloat32);
  float* const to = logits.data<float>();
  for (std::int64_t i = 0; i < logits.numel(); ++i) {
    const double gumbel = -std::log(-std::log(random.next()));
    to[i] = static_cast<float>(log_p[static_cast<std::size_t>(i % w.experts)] + gumbel);
  }
  return logits;
}

}  // namespace switchyard::moe_bench
