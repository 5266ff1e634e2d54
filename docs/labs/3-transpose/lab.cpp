// Lab 3: the transpose of dispatch.

#include "docs/labs/3-transpose/lab.h"

#include "engine/switchyard.h"

namespace switchyard::labs {

Tensor send(const Tensor& x, const TokenOfSlot& token_of) {
  const std::int64_t width = x.size(1);
  const std::int64_t slots = std::ssize(token_of);
  Tensor y = Tensor::empty({slots, width}, DType::kFloat64);
  const double* const from = x.data<double>();
  double* const to = y.data<double>();
  for (std::int64_t s = 0; s < slots; ++s) {
    const std::int64_t t = token_of[static_cast<std::size_t>(s)];
    for (std::int64_t d = 0; d < width; ++d) to[s * width + d] = from[t * width + d];
  }
  return record("send", y, {x}, Saved::nothing(), [token_of](const Vjp& v) -> std::vector<Tensor> {
    return {collect(v.cotangent(), token_of, v.input_shape(0)[0])};
  });
}

Tensor collect(const Tensor& y, const TokenOfSlot& token_of, std::int64_t tokens) {
  const std::int64_t width = y.size(1);
  const std::int64_t slots = std::ssize(token_of);
  Tensor x = Tensor::zeros({tokens, width}, DType::kFloat64);
  const double* const from = y.data<double>();
  double* const to = x.data<double>();
  for (std::int64_t s = 0; s < slots; ++s) {
    const std::int64_t t = token_of[static_cast<std::size_t>(s)];
    // The fault: what if another slot holds the same token?
    for (std::int64_t d = 0; d < width; ++d) to[t * width + d] = from[s * width + d];
  }
  return record_without_derivative("collect", x, {y});  // the gap: it is linear, so it has one
}

}  // namespace switchyard::labs
