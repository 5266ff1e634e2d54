// The dot-product test of a transpose, ⟨A x, u⟩ = ⟨x, Aᵀu⟩, and both derivatives.

#include "docs/labs/3-transpose/lab.h"

#include "docs/labs/check.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

constexpr std::int64_t kTokens = 4;
constexpr std::int64_t kWidth = 3;

/// Tokens 1 and 3 have two experts each, token 0 has one, token 2 has none.
const labs::TokenOfSlot& token_of() {
  static const labs::TokenOfSlot slots = {1, 3, 0, 1, 3};
  return slots;
}

void check_lab(labs::Report& report) {
  const Tensor x = random_normal({kTokens, kWidth}, DType::kFloat64, {.seed = 1});
  const Tensor u = random_normal({std::ssize(token_of()), kWidth}, DType::kFloat64, {.seed = 2});
  const double there = dot(labs::send(x, token_of()), u).item();
  const double back = dot(x, labs::collect(u, token_of(), kTokens)).item();
  report.expect(std::abs(there - back) <= 1e-12, "⟨send(x), u⟩ = ⟨x, collect(u)⟩",
                fmt::format("{:.4f} and {:.4f}", there, back));
  const TensorFunction f = [](std::span<const Tensor> in) {
    return square(labs::send(in[0], token_of()));
  };
  for (const int order : {1, 2}) {
    const double error = gradcheck(f, {x}, {.order = order}).error;
    report.expect(error <= 1e-7, fmt::format("derivative of order {}", order),
                  fmt::format("off by {:.0e}", error));
  }
}

}  // namespace

int main() { return labs::run(check_lab); }
