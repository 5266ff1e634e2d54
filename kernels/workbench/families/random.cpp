#include "kernels/api/random.h"

#include <cmath>

#include "kernels/common/philox.h"
#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr RandomStretch kStretch = {.seed = 0x123456789ABCDEF,
                                    .offset = (std::uint64_t{1} << 40) + 3};
constexpr double kTwoTo32 = 4294967296.0;

/// The random word of element `i`, as kernels/api/random.h defines it.
std::uint32_t word(std::size_t i) {
  return random_word(kStretch.seed, kStretch.offset, static_cast<std::int64_t>(i));
}

struct Elements {
  static std::vector<SizeParameter> parameters() { return {{"count", 1 << 18}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0}, {1}, {3}, {4}, {31}, {33}, {127}, {1023}, {1024}, {4097}};
  }
};

struct DropoutCase : Elements {
  static constexpr const char* kComputes = "y = 0 with probability 0.3, else x / 0.7";
  static constexpr double kDrop = 0.3;

  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["count"]});
    Expected& y = p.result<T>({s["count"]});
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = word(i) < std::floor(kDrop * kTwoTo32) ? 0.0 : x[i] / (1.0 - kDrop);
    }
  }
  template <class T>
  static Dropout<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .y = p.at<T>(1),
            .count = s["count"],
            .p = kDrop,
            .stretch = kStretch};
  }
};

struct NormalCase : Elements {
  static constexpr const char* kComputes = "y standard normal: Box and Muller's pairs";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    Expected& y = p.result<T>({s["count"]});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t pair = i / 2 * 2;
      const double radius = std::sqrt(-2.0 * std::log((word(pair) + 0.5) / kTwoTo32));
      const double angle = 2.0 * std::acos(-1.0) * (word(pair + 1) + 0.5) / kTwoTo32;
      y[i] = radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
    }
  }
  template <class T>
  static RandomNormal<T> arguments(const Sizes& s, Arguments& p) {
    return {.y = p.at<T>(0), .count = s["count"], .stretch = kStretch};
  }
};

struct UniformCase : Elements {
  template <class T>
  static constexpr double kTolerance = 0.0;  // the same bits on every device
  static constexpr const char* kComputes = "y uniform in [0, 1), multiples of 2^-24";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    Expected& y = p.result<T>({s["count"]});
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = std::ldexp(word(i) >> 8, -24);
  }
  template <class T>
  static RandomUniform<T> arguments(const Sizes& s, Arguments& p) {
    return {.y = p.at<T>(0), .count = s["count"], .stretch = kStretch};
  }
};

struct SignCase : Elements {
  template <class T>
  static constexpr double kTolerance = 0.0;  // the same bits on every device
  static constexpr const char* kComputes = "y = 1 or -1 with equal probability";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    Expected& y = p.result<T>({s["count"]});
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = word(i) >= kTwoTo32 / 2 ? 1.0 : -1.0;
  }
  template <class T>
  static RandomSign<T> arguments(const Sizes& s, Arguments& p) {
    return {.y = p.at<T>(0), .count = s["count"], .stretch = kStretch};
  }
};

}  // namespace

Family random_family() {
  return {.name = "random",
          .sources = {"kernels/cuda/random.cu"},
          .page = "docs/kernels/random.md",
          .entry_points = {
              describe<DropoutCase, float, double>(), describe<NormalCase, float, double>(),
              describe<UniformCase, float, double>(), describe<SignCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
