// Derivatives of two functions of my_relu() at -1, 0 and 2, where they are known.

#include "docs/labs/6-relu-at-zero/lab.h"

#include "docs/labs/check.h"
#include "engine/switchyard.h"

using namespace switchyard;

namespace {

using Numbers = std::vector<double>;

void expect_numbers(labs::Report& report, const char* what, const Numbers& got,
                    const Numbers& expected) {
  report.expect(got == expected, what,
                fmt::format("{}, expected {}", labs::text_of(got), labs::text_of(expected)));
}

/// First and second derivative of Σ f(x), f being applied element by element.
std::pair<Numbers, Numbers> derivatives(Tensor (*f)(const Tensor&)) {
  const Tensor x = Tensor::from<double>({3}, {-1.0, 0.0, 2.0}).set_requires_grad();
  const Tensor first = grad(sum(f(x)), std::vector{x}, {.create_graph = true})[0];
  if (!first.requires_grad()) return {first.to_doubles(), Numbers(3, 0.0)};  // a constant
  return {first.to_doubles(), grad(sum(first), std::vector{x})[0].to_doubles()};
}

Tensor squared(const Tensor& x) { return square(labs::my_relu(x)); }

void check_lab(labs::Report& report) {
  const auto [slope, bend] = derivatives(labs::my_relu);
  expect_numbers(report, "relu' at -1, 0, 2", slope, {0.0, 0.0, 1.0});
  expect_numbers(report, "relu''", bend, {0.0, 0.0, 0.0});
  const auto [slope_of_square, bend_of_square] = derivatives(squared);
  expect_numbers(report, "(relu²)'", slope_of_square, {0.0, 0.0, 4.0});
  expect_numbers(report, "(relu²)''", bend_of_square, {0.0, 0.0, 2.0});
}

}  // namespace

int main() { return labs::run(check_lab); }
