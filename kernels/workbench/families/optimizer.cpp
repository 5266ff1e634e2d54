#include "kernels/api/optimizer.h"

#include <limits>

#include "kernels/api/finite.h"

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr double kRate = 0.1, kMomentum = 0.9, kDecay = 0.05;

/// The arrays of a parameter: those of add_stepped().
template <class T>
constexpr std::size_t kArrays = std::is_same_v<T, BFloat16> ? 4 : 3;

/// Adds w, g and m of `count` elements, and what a step makes of w and m; of a parameter in
/// bfloat16 also what w is rounded into.
template <class T>
void add_stepped(std::int64_t count, Problem& p) {
  Expected& w = p.updated<ResultOf<T>>({count});
  const Numbers& g = p.normal<T>({count});
  Expected& m = p.updated<ResultOf<T>>({count});
  for (std::size_t i = 0; i < w.size(); ++i) {
    m[i] = kMomentum * m[i] + (g[i] + kDecay * w[i]);
    w[i] = w[i] - kRate * m[i];
  }
  if constexpr (kArrays<T> == 4) p.result<T>({count}) = w;
}

/// The same arrays as the kernel takes them, the first one of which is array number `first`.
template <class T>
SgdParameter<T> parameter(std::int64_t count, const Arguments& p, std::size_t first) {
  SgdParameter<T> arrays = {count, p.at<ResultOf<T>>(first), p.at<const T>(first + 1),
                            p.at<ResultOf<T>>(first + 2)};
  if constexpr (kArrays<T> == 4) arrays.parameter = p.at<T>(first + 3);
  return arrays;
}

struct StepCase {
  static constexpr const char* kComputes = "m = momentum * m + g + decay * w, then w -= rate * m";
  static std::vector<SizeParameter> parameters() { return {{"count", 1 << 18}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0}, {1}, {2}, {3}, {31}, {33}, {127}, {1000}, {1024}, {4099}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    add_stepped<T>(s["count"], p);
  }
  template <class T>
  static SgdStep<T> arguments(const Sizes& s, Arguments& p) {
    return {.parameter = parameter<T>(s["count"], p, 0),
            .rate = kRate,
            .momentum = kMomentum,
            .decay = kDecay};
  }
};

/// Many arrays of mixed sizes.
struct ManySizes {
  static std::vector<SizeParameter> parameters() { return {{"parameters", 64}, {"largest", 4096}}; }
  /// Lists no parameters, empty ones, and more than one launch takes.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4}, {1, 0}, {1, 1}, {3, 31}, {250, 66}, {7, 9001}};
  }
  static std::int64_t elements(const Sizes& s, std::int64_t parameter) {
    // A step that has no factor in common with most of the moduli, so that sizes are mixed.
    return parameter * 1009 % (s["largest"] + 1);
  }
};

struct ManyCase : ManySizes {
  static constexpr const char* kComputes =
      "sgd_step of each of `parameters` parameters of 0 to `largest` elements";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    for (std::int64_t i = 0; i < s["parameters"]; ++i) add_stepped<T>(elements(s, i), p);
  }
  template <class T>
  static SgdStepMany<T> arguments(const Sizes& s, Arguments& p) {
    std::vector<SgdParameter<T>> parameters;
    for (std::int64_t i = 0; i < s["parameters"]; ++i) {
      const auto first = static_cast<std::size_t>(i) * kArrays<T>;
      parameters.push_back(parameter<T>(elements(s, i), p, first));
    }
    return {.parameters = p.keep(std::move(parameters)),
            .rate = kRate,
            .momentum = kMomentum,
            .decay = kDecay};
  }
};

struct NonfiniteCase : ManySizes {
  static constexpr const char* kComputes =
      "the first of `parameters` arrays of 0 to `largest` elements that holds NaN or infinity";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const std::int64_t bad = s["parameters"] * 2 / 3;  // none before it has an element too many
    std::int64_t expected = -1;
    for (std::int64_t i = 0; i < s["parameters"]; ++i) {
      Numbers values = p.random_normal(elements(s, i));
      if (i >= bad && !values.empty()) {
        values.back() = i % 2 == 0 ? std::numeric_limits<double>::infinity()
                                   : std::numeric_limits<double>::quiet_NaN();
        if (expected < 0) expected = i;
      }
      p.operand<T>(std::move(values));
    }
    p.lowest(expected);
  }
  template <class T>
  static FindNonfinite<T> arguments(const Sizes& s, Arguments& p) {
    std::vector<FiniteTensor<T>> tensors;
    for (std::int64_t i = 0; i < s["parameters"]; ++i) {
      tensors.push_back({p.at<const T>(static_cast<std::size_t>(i)), elements(s, i)});
    }
    return {.tensors = p.keep(std::move(tensors)),
            .fault = p.lowest(static_cast<std::size_t>(s["parameters"]))};
  }
};

}  // namespace

Family optimizer_family() {
  return {.name = "optimizer",
          .sources = {"kernels/cuda/optimizer.cu", "kernels/cuda/finite.cu"},
          .page = "docs/kernels/optimizer.md",
          .entry_points = {describe<StepCase, float, double, BFloat16>(),
                           describe<ManyCase, float, double, BFloat16>(),
                           describe<NonfiniteCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
