#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace switchyard {

/// Sizes of a tensor, outermost first. At most kMaxRank axes, every size >= 0; a scalar has rank 0.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  /// Errors: more than kMaxRank axes, a negative size, or a product that overflows 63 bits.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  /// Size of `axis`; negative axes count from the end. Error when out of range.
  std::int64_t operator[](int axis) const;
  /// Product of all sizes; 1 for a scalar.
  std::int64_t numel() const { return numel_; }
  std::span<const std::int64_t> sizes() const {
    return {sizes_.data(), static_cast<std::size_t>(rank_)};
  }
  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }

  bool operator==(const Shape& other) const;
  /// "[2, 3]", as in error messages.
  std::string to_string() const;

 private:
  void assign(std::span<const std::int64_t> sizes);

  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
  std::int64_t numel_ = 1;
};

/// Shape that `a` and `b` broadcast to under NumPy's rule (sizes aligned at the last axis, 1
/// expands). Error naming `op` and both shapes where they do not match.
Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op);

}  // namespace switchyard

template <>
struct fmt::formatter<switchyard::Shape> : fmt::formatter<std::string_view> {
  auto format(const switchyard::Shape& shape, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format(shape.to_string(), context);
  }
};
