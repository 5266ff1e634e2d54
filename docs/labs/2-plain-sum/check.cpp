// Gives softmax its rule and five wrong ones, and compares each gradient of loss_of() with finite
// differences: the check that loss_of() makes must let the first pass, and no other.

#include "docs/labs/check.h"
#include "docs/labs/2-plain-sum/lab.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

/// What arrived for y = softmax(x), and y: [rows, columns] both; gives what x gets.
using SoftmaxRule = Tensor (*)(const Tensor& gy, const Tensor& y);

/// Σ over each row, kept as a column.
Tensor row_sums(const Tensor& x) { return sum(x, {1}, true); }

Tensor right(const Tensor& gy, const Tensor& y) { return y * (gy - row_sums(gy * y)); }
Tensor twice(const Tensor& gy, const Tensor& y) { return 2.0 * right(gy, y); }
Tensor nothing(const Tensor& gy, const Tensor& /*y*/) { return zeros_like(gy); }
Tensor plain_mean(const Tensor& gy, const Tensor& y) { return y * (gy - mean(gy, {1}, true)); }
Tensor mixed_rows(const Tensor& gy, const Tensor& y) {
  return y * (gy - mean(row_sums(gy * y), {0}, true));
}
Tensor its_own_cotangent(const Tensor& /*gy*/, const Tensor& y) { return right(2.0 * y, y); }

struct Candidate {
  const char* name;
  SoftmaxRule rule;
};

constexpr Candidate kWrong[] = {
    {"twice the derivative", twice},
    {"zeros", nothing},
    {"the plain mean of what arrived in place of the weighted one", plain_mean},
    {"the mean over all rows in place of each row's own", mixed_rows},
    {"a rule that does not look at what arrived", its_own_cotangent},
};

/// How far the gradient of loss_of(softmax(x)) by this rule is from finite differences.
double error_of(SoftmaxRule rule) {
  const TensorFunction f = [rule](std::span<const Tensor> in) {
    return labs::loss_of(record(
        "softmax", softmax(in[0].detach()), {in[0]}, Saved::output(),
        [rule](const Vjp& v) -> std::vector<Tensor> { return {rule(v.cotangent(), v.output())}; }));
  };
  const Tensor x = random_normal({3, 4}, DType::kFloat64, {.seed = 1});
  return gradcheck(f, {x}).error;
}

void check_lab(labs::Report& report) {
  constexpr double kTolerance = 1e-7;
  report.expect(error_of(right) <= kTolerance, "the right rule passes", "it is taken for wrong");
  for (const Candidate& wrong : kWrong) {
    report.expect(error_of(wrong.rule) > kTolerance, fmt::format("found: {}", wrong.name),
                  "it passes");
  }
}

}  // namespace

int main() { return labs::run(check_lab); }
