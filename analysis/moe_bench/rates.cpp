#include "analysis/moe_bench/rates.h"

#include <algorithm>

#include "analysis/moe_bench/call_times.h"
#include "engine/autograd/node.h"
#include "engine/core/random.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"

namespace switchyard::moe_bench {
namespace {

double seconds_of(Device device, const TimingOptions& timing, const std::function<void()>& work) {
  return time_in_turns(device, {work}, timing).front().warm.median();
}

/// 64 MiB, or four times a GPU's cache, so that no cache holds what is copied.
std::int64_t copied_bytes(Device device) {
  return std::max(std::int64_t{64} << 20, 4 * static_cast<std::int64_t>(cache_bytes(device)));
}

struct ProductSizes {
  std::int64_t rows, columns;
};

ProductSizes product_sizes(const Workload& w) {
  const std::int64_t columns =
      std::max<std::int64_t>((w.width * w.wide() + w.hidden * w.out) / w.width, 1);
  const std::int64_t most = std::max<std::int64_t>((std::int64_t{1} << 27) / columns, 1);
  return {std::clamp<std::int64_t>(w.slots(), 1, most), columns};
}

Tensor numbers(const Shape& shape, DType dtype, Device device) {
  return random_normal(shape, DType::kFloat32, {.seed = 1, .offset = 0}).to(dtype).to(device);
}

}  // namespace

std::optional<Rates> measure_rates(const Workload& w, DType dtype, Device device,
                                   const TimingOptions& timing) {
  if (device == Device::kSimt) return std::nullopt;
  const NoGrad no_grad;
  Rates rates;
  const std::int64_t bytes = copied_bytes(device);
  const DType copied = dtype == DType::kBFloat16 ? DType::kFloat32 : dtype;  // bytes are bytes
  const Tensor x =
      Tensor::full({bytes / static_cast<std::int64_t>(size_of(copied))}, 1.0, copied, device);
  const double copy = seconds_of(device, timing, [&] { return void(x * 1.0); });
  rates.copy = 2.0 * static_cast<double>(bytes) / copy;
  const auto [rows, columns] = product_sizes(w);
  const Tensor a = numbers({rows, w.width}, dtype, device);
  const Tensor b = numbers({w.width, columns}, dtype, device);
  const double product = seconds_of(device, timing, [&] { return void(matmul(a, b)); });
  rates.product = 2.0 * static_cast<double>(rows) * static_cast<double>(w.width) *
                  static_cast<double>(columns) / product;
  return rates;
}

double rate_bytes(const Workload& w, DType dtype) {
  const auto [rows, columns] = product_sizes(w);
  const double numbers = static_cast<double>(rows * w.width) +
                         static_cast<double>(w.width * columns) +
                         static_cast<double>(rows * columns);
  return 2.0 * static_cast<double>(copied_bytes(Device::kCpu)) +
         static_cast<double>(size_of(dtype)) * numbers;
}

}  // namespace switchyard::moe_bench
