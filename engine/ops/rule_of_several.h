#pragma once

#include <map>
#include <utility>
#include <vector>

#include "engine/autograd/rule.h"
#include "engine/ops/precision.h"

// Derivative rules that are several operations, for operations that have a kernel for bfloat16. In
// bfloat16 each of those operations would be rounded; so they compute in float32, from what the
// operation saved and its cotangent, widened, and each gradient is rounded once.

namespace switchyard {

/// What a rule sees of an operation in bfloat16, in float32: what it reads is converted when it
/// reads it, once. The conversions are differentiable.
class WideVjp {
 public:
  explicit WideVjp(const Vjp& v) : v_(v) {}

  const Tensor& cotangent() const {
    if (!cotangent_.defined()) cotangent_ = widened(v_.cotangent());
    return cotangent_;
  }
  const Tensor& input(std::size_t i) const {
    const auto [found, is_new] = inputs_.try_emplace(i);
    if (is_new) found->second = widened(v_.input(i));
    return found->second;
  }
  const Tensor& output() const {
    if (!output_.defined()) output_ = widened(v_.output());
    return output_;
  }
  const Shape& input_shape(std::size_t i) const { return v_.input_shape(i); }
  bool needs(std::size_t i) const { return v_.needs(i); }

 private:
  const Vjp& v_;
  mutable Tensor cotangent_;
  mutable Tensor output_;
  mutable std::map<std::size_t, Tensor> inputs_;
};

/// The rule, for each dtype: of bfloat16 through WideVjp, of others as it stands. A lambda that
/// takes `const auto& v` becomes one where it is written, as it becomes a Rule.
class RuleOfSeveral {
 public:
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, RuleOfSeveral>)
      // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload)
      RuleOfSeveral(const F& function, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE())
      : rule_(function, file, line),
        wide_([function](const Vjp& v) { return rounded(function(WideVjp(v))); }, file, line) {}

  /// The rule of an operation on x.
  Rule of(const Tensor& x) && { return is_bfloat16(x) ? std::move(wide_) : std::move(rule_); }

 private:
  static std::vector<Tensor> rounded(std::vector<Tensor> gradients) {
    for (Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = convert(gradient, DType::kBFloat16);
    }
    return gradients;
  }

  Rule rule_, wide_;
};

}  // namespace switchyard
