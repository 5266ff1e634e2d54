#include "analysis/curvature/vectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/core/threads.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

constexpr std::int64_t kChunk = 1 << 14;  // elements: partial sums in float64, added in order

void check_alike(std::string_view what, std::span<const Tensor> a, std::span<const Tensor> b) {
  check(a.size() == b.size(), "[{}] {} tensors against {}", what, a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    check(a[i].shape() == b[i].shape() && a[i].dtype() == b[i].dtype(),
          "[{}] entry {} is {} {} against {} {}", what, i, name(a[i].dtype()), a[i].shape(),
          name(b[i].dtype()), b[i].shape());
    check_same_device(what, {&a[0], &a[i], &b[i]});
  }
}

/// Σ a·b. Eight running sums per chunk keep the adds independent of each other, so that they
/// vectorise; their order is fixed.
template <class T>
double dot_chunk(const T* a, const T* b, std::int64_t count) {
  constexpr std::int64_t kLanes = 8;
  double sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  double total = std::accumulate(sums, sums + kLanes, 0.0);
  for (; i < count; ++i) total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return total;
}

template <class T>
double dot_elements(const Tensor& a, const Tensor& b) {
  const std::int64_t count = a.numel();
  std::vector<double> partial(static_cast<std::size_t>((count + kChunk - 1) / kChunk));
  const T* pa = a.data<T>();
  const T* pb = b.data<T>();
  parallel_chunks(count, kChunk, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    partial[static_cast<std::size_t>(chunk)] = dot_chunk(pa + begin, pb + begin, end - begin);
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

/// y = combine(x, y) per element, in float64, rounded once.
template <class T, class F>
void update_elements(const T* x, T* y, std::int64_t count, F combine) {
  parallel_for(count, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      y[i] = static_cast<T>(combine(static_cast<double>(x[i]), static_cast<double>(y[i])));
    }
  });
}

template <class F>
std::vector<Tensor> map(std::span<const Tensor> x, F&& f) {
  std::vector<Tensor> result;
  result.reserve(x.size());
  for (const Tensor& tensor : x) result.push_back(f(tensor));
  return result;
}

// Other devices than the CPU do the same sums and updates by operations in float64.

std::vector<double> device_dots(std::span<const Tensor> a, std::span<const Tensor> b) {
  const NoGrad no_grad;
  std::vector<Tensor> dots;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dots.push_back(dot(a[i].to(DType::kFloat64), b[i].to(DType::kFloat64)));
  }
  return stack(dots).to_doubles();  // one wait for all of them
}

void device_update(Tensor& y, const Tensor& value) { y.copy_from(value.to(y.dtype())); }

bool on_host(std::span<const Tensor> x) { return x.empty() || x[0].device() == Device::kCpu; }

/// x = on_element(x) per element on the host, x = on_tensor(x) elsewhere, both in float64.
template <class OnElement, class OnTensor>
void map_in_place(std::string_view op, std::span<Tensor> x, OnElement on_element,
                  OnTensor on_tensor) {
  const NoGrad no_grad;
  for (Tensor& tensor : x) {
    if (!on_host(x)) {
      device_update(tensor, on_tensor(tensor.to(DType::kFloat64)));
      continue;
    }
    dispatch_floating(tensor.dtype(), op, [&]<class T>() {
      update_elements(tensor.data<T>(), tensor.data<T>(), tensor.numel(),
                      [on_element](double xi, double) { return on_element(xi); });
    });
  }
}

}  // namespace

double dot(std::span<const Tensor> a, std::span<const Tensor> b) {
  check_alike("dot", a, b);
  if (!on_host(a)) {
    const std::vector<double> dots = device_dots(a, b);
    return std::accumulate(dots.begin(), dots.end(), 0.0);
  }
  double total = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    total += dispatch_floating(a[i].dtype(), "dot",
                               [&]<class T>() -> double { return dot_elements<T>(a[i], b[i]); });
  }
  return total;
}

double norm(std::span<const Tensor> x) {
  constexpr double kLeast = 1e-290;  // of a square's range, below which digits are lost
  const double square = dot(x, x);
  if (std::isnan(square) || (square > kLeast && std::isfinite(square))) return std::sqrt(square);
  for (const int power : {600, -600}) {
    std::vector<Tensor> scaled = copy_of(x);
    scale(scaled, std::ldexp(1.0, power));
    const double other = dot(scaled, scaled);
    if (other > kLeast && std::isfinite(other)) return std::ldexp(std::sqrt(other), -power);
  }
  return std::sqrt(square);  // of zeros, or with an infinite element
}

void axpy(double alpha, std::span<const Tensor> x, std::span<Tensor> y) {
  check_alike("axpy", x, y);
  const NoGrad no_grad;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!on_host(x)) {
      device_update(y[i], y[i].to(DType::kFloat64) + alpha * x[i].to(DType::kFloat64));
      continue;
    }
    dispatch_floating(x[i].dtype(), "axpy", [&]<class T>() {
      update_elements(x[i].data<T>(), y[i].data<T>(), x[i].numel(),
                      [alpha](double xi, double yi) { return alpha * xi + yi; });
    });
  }
}

void scale(std::span<Tensor> x, double alpha) {
  map_in_place(
      "scale", x, [alpha](double xi) { return alpha * xi; },
      [alpha](const Tensor& wide) { return alpha * wide; });
}

void divide(std::span<Tensor> x, double divisor) {
  map_in_place(
      "divide", x, [divisor](double xi) { return xi / divisor; },
      [divisor](const Tensor& wide) { return wide / divisor; });
}

double normalise(std::span<Tensor> x) {
  const double length = norm(x);
  check(std::isfinite(length) && length > 0.0, "[normalise] a vector of norm {} has no direction",
        length);
  divide(x, length);
  return length;
}

std::vector<Tensor> copy_of(std::span<const Tensor> x) {
  return map(x, [](const Tensor& tensor) { return tensor.clone(); });
}

std::vector<Tensor> zeros_like(std::span<const Tensor> x) {
  return map(x, [](const Tensor& tensor) { return zeros_like(tensor); });
}

std::vector<Tensor> random_normal_like(std::span<const Tensor> like, Generator& random) {
  return map(like, [&](const Tensor& tensor) {
    return random_normal(tensor.shape(), tensor.dtype(), random.next(tensor.numel()),
                         tensor.device());
  });
}

std::vector<Tensor> random_sign_like(std::span<const Tensor> like, Generator& random) {
  return map(like, [&](const Tensor& tensor) {
    return random_sign(tensor.shape(), tensor.dtype(), random.next(tensor.numel()),
                       tensor.device());
  });
}

std::int64_t dimension(std::span<const Tensor> x) {
  return std::accumulate(
      x.begin(), x.end(), std::int64_t{0},
      [](std::int64_t sum, const Tensor& tensor) { return sum + tensor.numel(); });
}

}  // namespace switchyard
