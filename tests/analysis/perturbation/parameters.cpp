#include "tests/analysis/perturbation/parameters.h"

#include <cstring>
#include <limits>

#include "analysis/curvature/vectors.h"

namespace switchyard {

std::vector<Tensor> make_parameters(DType dtype) {
  Generator random(1);
  std::vector<Tensor> parameters;
  for (const Shape& shape : {Shape{3, 2, 2, 2}, Shape{2, 5}, Shape{4}}) {
    parameters.push_back(Tensor::empty(shape, dtype));
  }
  parameters = random_normal_like(parameters, random);
  dispatch_floating(dtype, "test", [&]<class T>() {
    std::fill_n(parameters[1].data<T>(), 5, T{0});
    parameters[2].data<T>()[0] = static_cast<T>(-0.0);
    parameters[2].data<T>()[1] = std::numeric_limits<T>::denorm_min();
  });
  return parameters;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool same = dispatch_floating(a[i].dtype(), "test", [&]<class T>() {
      return std::memcmp(a[i].data<T>(), b[i].data<T>(), a[i].bytes()) == 0;
    });
    if (!same) return false;
  }
  return true;
}

}  // namespace switchyard
