#include "engine/ops/cases.h"

#include <cmath>

#include "engine/ops/dropout.h"

namespace switchyard {
namespace {

template <class F>
Tensor transformed(const Shape& shape, Generator& random, F&& f) {
  Tensor x = normal_input(shape, random);
  double* values = x.data<double>();
  for (std::int64_t i = 0; i < x.numel(); ++i) values[i] = f(values[i]);
  return x;
}

}  // namespace

Tensor normal_input(const Shape& shape, Generator& random) {
  return random_normal(shape, DType::kFloat64, random.next(shape.numel()));
}

Tensor gapped_input(const Shape& shape, double gap, Generator& random) {
  return transformed(shape, random,
                     [gap](double z) { return std::copysign(std::abs(z) + gap, z); });
}

Tensor positive_input(const Shape& shape, double low, Generator& random) {
  return transformed(shape, random, [low](double z) { return low + std::abs(z); });
}

Tensor index_input(const Shape& shape, std::int64_t bound, Generator& random) {
  const std::vector<double> uniform =
      random_uniform(shape, DType::kFloat64, random.next(shape.numel())).to_doubles();
  Tensor indices = Tensor::empty(shape, DType::kInt64);
  std::int64_t* values = indices.data<std::int64_t>();
  for (std::size_t i = 0; i < uniform.size(); ++i) {
    values[i] = static_cast<std::int64_t>(uniform[i] * static_cast<double>(bound));
  }
  return indices;
}

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  for (const auto family :
       {conv2d_cases, dropout_cases, elementwise_cases, matmul_cases, norm_cases, reduction_cases,
        routing_cases, shape_cases, softmax_cases}) {
    for (OpCase& op : family()) cases.push_back(std::move(op));
  }
  return cases;
}

}  // namespace switchyard
