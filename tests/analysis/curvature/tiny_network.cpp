#include "tests/analysis/curvature/tiny_network.h"

#include "engine/core/random.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

constexpr std::int64_t kInputs = 4;
constexpr std::int64_t kHidden = 5;
constexpr std::int64_t kClasses = 3;

/// Rows [begin, end) of data that has no history.
template <class T>
Tensor rows_of(const Tensor& x, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = x.rank() == 2 ? x.size(1) : 1;
  const std::span<const T> part = x.span<T>().subspan(
      static_cast<std::size_t>(begin * width), static_cast<std::size_t>((end - begin) * width));
  return x.rank() == 2 ? Tensor::from({end - begin, width}, part)
                       : Tensor::from({end - begin}, part);
}

}  // namespace

TinyNetwork::TinyNetwork(std::int64_t rows, std::uint64_t seed) {
  Generator random(seed);
  const auto normal = [&](const Shape& shape) {
    return random_normal(shape, DType::kFloat64, random.next(shape.numel()));
  };
  for (const Shape& shape :
       {Shape{kHidden, kInputs}, Shape{kHidden}, Shape{kClasses, kHidden}, Shape{kClasses}}) {
    parameters.push_back(normal(shape).set_requires_grad());
  }
  inputs = normal({rows, kInputs});
  labels = Tensor::empty({rows}, DType::kInt64);
  for (std::int64_t i = 0; i < rows; ++i)
    labels.data<std::int64_t>()[i] = (i * i + i / 2) % kClasses;
}

Tensor TinyNetwork::loss(std::int64_t begin, std::int64_t end) const {
  const Tensor x = rows_of<double>(inputs, begin, end);
  const Tensor hidden = softplus(linear(x, parameters[0], parameters[1]));
  return cross_entropy(linear(hidden, parameters[2], parameters[3]),
                       rows_of<std::int64_t>(labels, begin, end));
}

std::vector<LossTerm> TinyNetwork::terms(const std::vector<std::int64_t>& borders) const {
  std::vector<LossTerm> terms;
  std::int64_t begin = 0;
  for (std::int64_t end : borders) {
    const double weight = static_cast<double>(end - begin) / static_cast<double>(inputs.size(0));
    terms.push_back({[this, begin, end] { return loss(begin, end); }, weight});
    begin = end;
  }
  return terms;
}

}  // namespace switchyard
