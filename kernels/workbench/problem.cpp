#include "kernels/workbench/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "kernels/api/executor.h"
#include "kernels/api/random.h"
#include "kernels/api/run.h"

namespace switchyard::kernels::workbench {
namespace {

/// Operands of more elements are a mistyped size rather than a problem to check.
constexpr std::int64_t kMostElements = std::int64_t{1} << 28;

template <class T>
T rounded(double value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    // Rounds to 8 bits of mantissa in one step, ties to even. It does so in a way of its own, since
    // conversions are checked against it.
    int exponent = 0;
    const double mantissa = std::frexp(value, &exponent);
    return BFloat16(
        static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(mantissa, 8)), exponent - 8)));
  } else {
    return static_cast<T>(value);
  }
}
template <class T>
double widened(T value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return double{static_cast<float>(value)};
  } else {
    return static_cast<double>(value);
  }
}

/// Returns what a result holds before the call: nothing that a kernel would write.
template <class T>
T poison() {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    return -0x7E57ED;
  } else {
    return rounded<T>(std::numeric_limits<double>::quiet_NaN());
  }
}

template <class T>
std::vector<std::byte> bytes_of(std::span<const T> values) {
  std::vector<std::byte> bytes(values.size_bytes());
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), values.size_bytes());
  return bytes;
}

template <class T>
Numbers doubles_of(std::span<const std::byte> bytes) {
  Numbers values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = widened(value);
  }
  return values;
}

/// Distance of the streams that successive operands draw from.
std::uint64_t next_seed(std::uint64_t& seed) { return seed += 0x9E3779B97F4A7C15U; }

}  // namespace

Numbers values_of(const Expected& expected) {
  Numbers values(expected.size());
  std::transform(expected.begin(), expected.end(), values.begin(),
                 [](const Measured& measured) { return measured.value; });
  return values;
}

std::int64_t element_count(std::span<const std::int64_t> dims) {
  double product = 1.0;
  for (const std::int64_t extent : dims) product *= static_cast<double>(extent);
  if (product > static_cast<double>(kMostElements)) {
    throw std::invalid_argument(fmt::format("{} = {:.3g} elements in one operand: the most is {}",
                                            fmt::join(dims, " * "), product, kMostElements));
  }
  return static_cast<std::int64_t>(product);
}

Numbers Problem::random_normal(std::int64_t count) {
  Numbers values(static_cast<std::size_t>(count));
  Cpu cpu;
  run(cpu,
      RandomNormal<double>{.y = values.data(), .count = count, .stretch = {next_seed(seed_), 0}});
  return values;
}

Numbers Problem::random_uniform(std::int64_t count) {
  Numbers values(static_cast<std::size_t>(count));
  Cpu cpu;
  run(cpu,
      RandomUniform<double>{.y = values.data(), .count = count, .stretch = {next_seed(seed_), 0}});
  return values;
}

template <class T>
Array& Problem::add(const Numbers& values) {
  std::vector<T> elements;
  elements.reserve(values.size());
  for (const double value : values) elements.push_back(rounded<T>(value));
  return arrays_.emplace_back(Array{.type = element_type<T>(),
                                    .count = static_cast<std::int64_t>(elements.size()),
                                    .bytes = bytes_of<T>(elements)});
}

template <class T>
const Numbers& Problem::operand(Numbers values) {
  element_count({{static_cast<std::int64_t>(values.size())}});
  return operands_.emplace_back(doubles_of<T>(add<T>(values).bytes));
}

template <class T>
const Numbers& Problem::normal(Dims dims) {
  return operand<T>(random_normal(element_count(dims)));
}

const Indices& Problem::indices(Indices values) {
  const Indices& kept = indices_.emplace_back(std::move(values));
  arrays_.push_back({.type = ElementType::kInt64,
                     .count = static_cast<std::int64_t>(kept.size()),
                     .bytes = bytes_of<std::int64_t>(kept)});
  return kept;
}

void Problem::absent() { arrays_.push_back({.absent = true}); }

template <class T>
Expected& Problem::result(Dims dims) {
  const auto count = static_cast<std::size_t>(element_count(dims));
  const std::vector<T> poisoned(count, poison<T>());
  arrays_.push_back({.type = element_type<T>(),
                     .count = static_cast<std::int64_t>(count),
                     .bytes = bytes_of<T>(poisoned),
                     .expected = Expected(count)});
  return *arrays_.back().expected;
}

template <class T>
Expected& Problem::updated(Dims dims) {
  Array& array = add<T>(random_normal(element_count(dims)));
  array.updated = true;
  const Numbers held = doubles_of<T>(array.bytes);
  array.expected = Expected(held.begin(), held.end());
  return *array.expected;
}

void Problem::lowest(std::int64_t expected) {
  const std::int64_t none = -1;
  arrays_.push_back({.type = ElementType::kInt64,
                     .count = 1,
                     .updated = true,
                     .bytes = bytes_of<std::int64_t>(std::span(&none, 1)),
                     .expected = Expected{Measured(static_cast<double>(expected))}});
}

std::vector<void*> Problem::host_pointers() const {
  std::vector<void*> pointers;
  for (const Array& array : arrays_) {
    const void* const data = array.absent ? nullptr : array.bytes.data();
    pointers.push_back(const_cast<void*>(data));  // work() writes nothing
  }
  return pointers;
}

Numbers to_doubles(ElementType type, std::span<const std::byte> bytes) {
  switch (type) {
    case ElementType::kFloat32:
      return doubles_of<float>(bytes);
    case ElementType::kFloat64:
      return doubles_of<double>(bytes);
    case ElementType::kBFloat16:
      return doubles_of<BFloat16>(bytes);
    case ElementType::kInt64:
      return doubles_of<std::int64_t>(bytes);
  }
  return {};
}

double relative_error(std::span<const double> got, const Expected& want, double share) {
  double difference = 0.0;
  double scale = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto [value, magnitude] = want[i];
    difference += (got[i] - value) * (got[i] - value);
    scale += std::pow(std::max(std::abs(value), share * magnitude), 2);
  }
  return difference == 0.0 ? 0.0 : std::sqrt(difference / scale);
}

#define SWITCHYARD_INSTANTIATE_OPERANDS(T)              \
  template const Numbers& Problem::normal<T>(Dims);     \
  template const Numbers& Problem::operand<T>(Numbers); \
  template Expected& Problem::result<T>(Dims);
SWITCHYARD_INSTANTIATE_OPERANDS(float)
SWITCHYARD_INSTANTIATE_OPERANDS(double)
SWITCHYARD_INSTANTIATE_OPERANDS(BFloat16)
template const Numbers& Problem::normal<std::int64_t>(Dims);
template const Numbers& Problem::operand<std::int64_t>(Numbers);
template Expected& Problem::result<std::int64_t>(Dims);
template Expected& Problem::updated<float>(Dims);
template Expected& Problem::updated<double>(Dims);
template Expected& Problem::updated<BFloat16>(Dims);

}  // namespace switchyard::kernels::workbench
