#include "kernels/api/pooling.h"

#include "kernels/workbench/describe.h"
#include "kernels/workbench/families.h"

namespace switchyard::kernels::workbench {
namespace {

struct Images {
  static std::vector<SizeParameter> parameters() {
    return {{"images", 64}, {"pixels", 64, 1}, {"channels", 64}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 3},  {3, 4, 0},   {1, 1, 1},    {2, 16, 31},
            {3, 9, 33}, {5, 49, 64}, {1, 600, 40}, {33, 7, 127}};
  }
  template <class T, class Exec, class F>
  static void call(F* run, Exec& exec, const Sizes& s, Arguments& p) {
    run(exec, p.at<const T>(0), p.at<T>(1), s["images"], s["pixels"], s["channels"]);
  }
};

struct PoolCase : Images {
  static constexpr const char* kName = "global_average_pool";
  static constexpr const char* kComputes =
      "y [images, channels] = means of x [images, pixels, channels] over the pixels";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& x = p.normal<T>({s["images"], s["pixels"], s["channels"]});
    Expected& y = p.result<T>({s["images"], s["channels"]});
    const auto channels = static_cast<std::size_t>(s["channels"]);
    const std::size_t image = static_cast<std::size_t>(s["pixels"]) * channels;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i / image * channels + i % channels] += x[i] / static_cast<double>(s["pixels"]);
    }
  }
  template <class Exec, class T>
  static auto entry_point() {
    return &global_average_pool<Exec, T>;
  }
  template <class Exec, class T>
  static auto ladder() {
    return global_average_pool_ladder<Exec, T>();
  }
};

struct UnpoolCase : Images {
  static constexpr const char* kName = "global_average_unpool";
  static constexpr const char* kComputes =
      "x [images, pixels, channels] = y [images, channels] / pixels, at every pixel";
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Numbers& y = p.normal<T>({s["images"], s["channels"]});
    Expected& x = p.result<T>({s["images"], s["pixels"], s["channels"]});
    const auto channels = static_cast<std::size_t>(s["channels"]);
    const std::size_t image = static_cast<std::size_t>(s["pixels"]) * channels;
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = y[i / image * channels + i % channels] / static_cast<double>(s["pixels"]);
    }
  }
  template <class Exec, class T>
  static auto entry_point() {
    return &global_average_unpool<Exec, T>;
  }
  template <class Exec, class T>
  static auto ladder() {
    return global_average_unpool_ladder<Exec, T>();
  }
};

}  // namespace

Family pooling_family() {
  return {
      .name = "pooling",
      .sources = {"kernels/cuda/pooling.cu"},
      .page = "docs/kernels/pooling.md",
      .entry_points = {describe<PoolCase, float, double>(), describe<UnpoolCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
