#include "engine/core/shape.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/core/check.h"

namespace switchyard {

Shape::Shape(std::initializer_list<std::int64_t> sizes) { assign({sizes.begin(), sizes.size()}); }

Shape::Shape(std::span<const std::int64_t> sizes) { assign(sizes); }

void Shape::assign(std::span<const std::int64_t> sizes) {
  check(sizes.size() <= kMaxRank, "shape [{}] has {} axes, at most {} are supported",
        fmt::join(sizes, ", "), sizes.size(), kMaxRank);
  rank_ = static_cast<int>(sizes.size());
  for (int axis = 0; axis < rank_; ++axis) {
    const std::int64_t size = sizes[static_cast<std::size_t>(axis)];
    check(size >= 0, "shape [{}] has a negative size", fmt::join(sizes, ", "));
    sizes_[static_cast<std::size_t>(axis)] = size;
    check(!__builtin_mul_overflow(numel_, size, &numel_), "shape [{}] has too many elements",
          fmt::join(sizes, ", "));
  }
}

std::int64_t Shape::operator[](int axis) const {
  const int index = axis < 0 ? axis + rank_ : axis;
  check(index >= 0 && index < rank_, "axis {} is out of range for shape {}", axis, *this);
  return sizes_[static_cast<std::size_t>(index)];
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string Shape::to_string() const { return fmt::format("[{}]", fmt::join(sizes(), ", ")); }

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::kMaxRank> sizes{};
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t size_a = i <= a.rank() ? a[-i] : 1;
    const std::int64_t size_b = i <= b.rank() ? b[-i] : 1;
    check(size_a == size_b || size_a == 1 || size_b == 1, "[{}] shapes {} and {} do not broadcast",
          op, a, b);
    sizes[static_cast<std::size_t>(rank - i)] = size_a == 1 ? size_b : size_a;
  }
  return Shape(std::span<const std::int64_t>(sizes.data(), static_cast<std::size_t>(rank)));
}

}  // namespace switchyard
