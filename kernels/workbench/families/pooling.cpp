#include "kernels/api/pooling.h"

#include "kernels/workbench/describe.h"

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
};

struct PoolCase : Images {
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
  template <class T>
  static GlobalAveragePool<T> arguments(const Sizes& s, Arguments& p) {
    return {.x = p.at<const T>(0),
            .y = p.at<T>(1),
            .images = s["images"],
            .pixels = s["pixels"],
            .channels = s["channels"]};
  }
};

struct UnpoolCase : Images {
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
  template <class T>
  static GlobalAverageUnpool<T> arguments(const Sizes& s, Arguments& p) {
    return {.y = p.at<const T>(0),
            .x = p.at<T>(1),
            .images = s["images"],
            .pixels = s["pixels"],
            .channels = s["channels"]};
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
