#include "kernels/api/optimizer.h"

#include "kernels/workbench/describe.h"
#include "kernels/workbench/families.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr SgdStep kStep = {.rate = 0.1, .momentum = 0.9, .decay = 0.05};

/// Adds w, g and m of `count` elements, and what a step makes of w and m.
template <class T>
void add_stepped(std::int64_t count, Problem& p) {
  Expected& w = p.updated<T>({count});
  const Numbers& g = p.normal<T>({count});
  Expected& m = p.updated<T>({count});
  for (std::size_t i = 0; i < w.size(); ++i) {
    m[i] = kStep.momentum * m[i] + (g[i] + kStep.decay * w[i]);
    w[i] = w[i] - kStep.rate * m[i];
  }
}

struct StepCase {
  static constexpr const char* kName = "sgd_step";
  static constexpr const char* kComputes = "m = momentum * m + g + decay * w, then w -= rate * m";
  static std::vector<SizeParameter> parameters() { return {{"count", 1 << 18}}; }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0}, {1}, {2}, {3}, {31}, {33}, {127}, {1000}, {1024}, {4099}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    add_stepped<T>(s["count"], p);
  }
  template <class Exec, class T>
  static auto entry_point() {
    return &sgd_step<Exec, T>;
  }
  template <class Exec, class T>
  static auto ladder() {
    return sgd_step_ladder<Exec, T>();
  }
  template <class T, class Exec, class F>
  static void call(F* run, Exec& exec, const Sizes& s, Arguments& p) {
    run(exec, s["count"], p.at<T>(0), p.at<const T>(1), p.at<T>(2), kStep);
  }
};

struct ManyCase {
  static constexpr const char* kName = "sgd_step_many";
  static constexpr const char* kComputes =
      "sgd_step of each of `parameters` parameters of 0 to `largest` elements";
  static std::vector<SizeParameter> parameters() { return {{"parameters", 64}, {"largest", 4096}}; }
  /// No parameters, empty ones, and more than one launch takes.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4}, {1, 0}, {1, 1}, {3, 31}, {250, 66}, {7, 9001}};
  }
  static std::int64_t elements(const Sizes& s, std::int64_t parameter) {
    // A step that has no factor in common with most of the moduli, so that sizes are mixed.
    return parameter * 1009 % (s["largest"] + 1);
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    for (std::int64_t i = 0; i < s["parameters"]; ++i) add_stepped<T>(elements(s, i), p);
  }
  template <class Exec, class T>
  static auto entry_point() {
    return &sgd_step_many<Exec, T>;
  }
  template <class Exec, class T>
  static auto ladder() {
    return sgd_step_many_ladder<Exec, T>();
  }
  template <class T, class Exec, class F>
  static void call(F* run, Exec& exec, const Sizes& s, Arguments& p) {
    std::vector<SgdParameter<T>> parameters;
    for (std::int64_t i = 0; i < s["parameters"]; ++i) {
      const auto first = static_cast<std::size_t>(3 * i);
      parameters.push_back(
          {elements(s, i), p.at<T>(first), p.at<const T>(first + 1), p.at<T>(first + 2)});
    }
    run(exec, parameters, kStep);
  }
};

}  // namespace

Family optimizer_family() {
  return {
      .name = "optimizer",
      .sources = {"kernels/cuda/optimizer.cu"},
      .page = "docs/kernels/optimizer.md",
      .entry_points = {describe<StepCase, float, double>(), describe<ManyCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
