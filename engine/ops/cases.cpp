#include "engine/ops/cases.h"

#include <cmath>

#include "engine/core/random.h"

namespace switchyard {
namespace {

/// Standard normal numbers, drawn on the host.
Tensor normal_numbers(const Shape& shape, CaseSource& source) {
  return random_normal(shape, DType::kFloat64, source.random.next(shape.numel()));
}

template <class F>
Tensor transformed(const Shape& shape, CaseSource& source, F&& f) {
  Tensor x = normal_numbers(shape, source);
  double* values = x.data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = f(values[i]);
  return x.to(source.device);
}

}  // namespace

Tensor normal_input(const Shape& shape, CaseSource& source) {
  return normal_numbers(shape, source).to(source.device);
}

Tensor gapped_input(const Shape& shape, double gap, CaseSource& source) {
  return transformed(shape, source,
                     [gap](double z) { return std::copysign(std::abs(z) + gap, z); });
}

Tensor positive_input(const Shape& shape, double low, CaseSource& source) {
  return transformed(shape, source, [low](double z) { return low + std::abs(z); });
}

Tensor index_input(const Shape& shape, std::int64_t bound, CaseSource& source) {
  const std::vector<double> uniform =
      random_uniform(shape, DType::kFloat64, source.random.next(shape.numel())).to_doubles();
  Tensor indices = Tensor::empty(shape, DType::kInt64);
  std::int64_t* values = indices.data<std::int64_t>();
  for (std::size_t i = 0; i < uniform.size(); ++i) {
    values[i] = static_cast<std::int64_t>(uniform[i] * static_cast<double>(bound));
  }
  return indices.to(source.device);
}

}  // namespace switchyard
