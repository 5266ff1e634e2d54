#include "kernels/api/conv2d.h"

#include <fmt/format.h>

#include <stdexcept>

#include "kernels/workbench/describe.h"

namespace switchyard::kernels::workbench {
namespace {

/// The trilinear form of x, w and gy of which each entry point is a face.
struct Convolution {
  static std::vector<SizeParameter> parameters() {
    return {{"batch", 2},           {"height", 16},   {"width", 16},
            {"channels", 32},       {"filters", 32},  {"kernel_height", 3, 1},
            {"kernel_width", 3, 1}, {"stride", 1, 1}, {"padding", 1}};
  }
  /// Odd ones and empty ones; then channels and filters that are multiples of 16 bytes, of
  /// bfloat16 too; last, more pixels than one sum of the weights' gradient takes.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {
        {1, 1, 1, 1, 1, 1, 1, 1, 0},  {2, 5, 7, 3, 17, 3, 3, 1, 1}, {2, 9, 6, 3, 8, 3, 3, 2, 1},
        {1, 8, 7, 1, 31, 5, 5, 2, 2}, {2, 4, 5, 33, 7, 3, 3, 1, 1}, {3, 5, 5, 6, 10, 1, 1, 2, 0},
        {2, 7, 6, 5, 3, 5, 3, 1, 0},  {1, 7, 7, 2, 3, 3, 3, 3, 1},  {1, 3, 3, 4, 5, 5, 5, 1, 1},
        {2, 3, 2, 3, 2, 1, 1, 5, 0},  {0, 4, 4, 3, 3, 3, 3, 1, 1},  {2, 4, 4, 0, 3, 3, 3, 1, 1},
        {2, 4, 4, 3, 0, 3, 3, 1, 1},  {1, 6, 5, 8, 72, 3, 3, 1, 1}, {3, 7, 6, 16, 8, 3, 3, 2, 1},
        {5, 6, 6, 8, 16, 1, 1, 2, 0}, {2, 12, 11, 8, 8, 3, 3, 1, 1}};
  }
  static ConvShape shape(const Sizes& s) {
    const ConvShape c = {s["batch"],        s["height"],  s["width"],
                         s["channels"],     s["filters"], s["kernel_height"],
                         s["kernel_width"], s["stride"],  s["padding"]};
    for (const auto& [axis, image, kernel] : {std::tuple{"height", c.height, c.kernel_height},
                                              std::tuple{"width", c.width, c.kernel_width}}) {
      if (kernel > image + 2 * c.padding) {
        throw std::invalid_argument(
            fmt::format("kernel_{}: must fit into the padded image of {}, got {}", axis,
                        image + 2 * c.padding, kernel));
      }
    }
    return c;
  }
  /// Calls body(element of x, of w, of y) for every term of the form.
  template <class Body>
  static void for_each_term(const ConvShape& s, const Body& body) {
    for (std::int64_t row = 0; row < s.batch * s.out_height() * s.out_width(); ++row) {
      const std::int64_t n = row / (s.out_height() * s.out_width());
      const std::int64_t top = row / s.out_width() % s.out_height() * s.stride - s.padding;
      const std::int64_t left = row % s.out_width() * s.stride - s.padding;
      for (std::int64_t tap = 0; tap < s.w_size(); ++tap) {
        const std::int64_t ih = top + tap % s.patch_size() / (s.kernel_width * s.channels);
        const std::int64_t iw = left + tap / s.channels % s.kernel_width;
        if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
        body(((n * s.height + ih) * s.width + iw) * s.channels + tap % s.channels, tap,
             row * s.filters + tap / s.patch_size());
      }
    }
  }
  /// Every face has two operands and a result.
  template <template <class> class Kernel, class T>
  static Kernel<T> face(const Sizes& s, Arguments& p) {
    return {shape(s), p.at<const T>(0), p.at<const T>(1), p.at<ResultOf<T>>(2)};
  }
};

struct ForwardCase : Convolution {
  static constexpr const char* kComputes =
      "y [batch, oh, ow, filters] = x [batch, height, width, channels] convolved with w";
  /// Adds so many pixels and filters that large tiles fill a GPU.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    auto sizes = Convolution::odd_sizes();
    sizes.push_back({1, 130, 127, 8, 128, 1, 1, 1, 0});
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& sizes, Problem& p) {
    const ConvShape s = shape(sizes);
    const Numbers& x = p.normal<T>({s.x_size()});
    const Numbers& w = p.normal<T>({s.w_size()});
    Expected& y = p.result<ResultOf<T>>({s.y_size()});
    for_each_term(
        s, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) { y[iy] += x[ix] * w[iw]; });
  }
  template <class T>
  static Conv2d<T> arguments(const Sizes& s, Arguments& p) {
    return face<Conv2d, T>(s, p);
  }
};

struct InputGradCase : Convolution {
  static constexpr const char* kComputes = "gx = gradient of <gy, conv2d(x, w)> by x";
  /// Adds large tiles as the forward pass does.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    auto sizes = Convolution::odd_sizes();
    sizes.push_back({1, 130, 127, 128, 8, 1, 1, 1, 0});
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& sizes, Problem& p) {
    const ConvShape s = shape(sizes);
    const Numbers& gy = p.normal<T>({s.y_size()});
    const Numbers& w = p.normal<T>({s.w_size()});
    Expected& gx = p.result<ResultOf<T>>({s.x_size()});
    for_each_term(
        s, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) { gx[ix] += gy[iy] * w[iw]; });
  }
  template <class T>
  static Conv2dInputGrad<T> arguments(const Sizes& s, Arguments& p) {
    return face<Conv2dInputGrad, T>(s, p);
  }
};

struct WeightGradCase : Convolution {
  static constexpr const char* kComputes = "gw = gradient of <gy, conv2d(x, w)> by w";
  /// Adds more pixels than one sum takes, with narrow and wide loads, and many weights.
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    auto sizes = Convolution::odd_sizes();
    sizes.push_back({5, 24, 23, 3, 4, 3, 3, 1, 1});
    sizes.push_back({5, 24, 23, 4, 4, 3, 3, 1, 1});
    sizes.push_back({1, 2, 2, 512, 512, 3, 3, 1, 1});
    return sizes;
  }
  template <class T>
  static void problem(const Sizes& sizes, Problem& p) {
    const ConvShape s = shape(sizes);
    const Numbers& x = p.normal<T>({s.x_size()});
    const Numbers& gy = p.normal<T>({s.y_size()});
    Expected& gw = p.result<ResultOf<T>>({s.w_size()});
    for_each_term(
        s, [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) { gw[iw] += gy[iy] * x[ix]; });
  }
  template <class T>
  static Conv2dWeightGrad<T> arguments(const Sizes& s, Arguments& p) {
    return face<Conv2dWeightGrad, T>(s, p);
  }
};

}  // namespace

Family conv2d_family() {
  return {.name = "conv2d",
          .sources = {"kernels/cuda/conv2d_forward.cu", "kernels/cuda/conv2d_input_grad.cu",
                      "kernels/cuda/conv2d_weight_grad.cu"},
          .page = "docs/kernels/conv2d.md",
          .entry_points = {describe<ForwardCase, float, double, BFloat16>(),
                           describe<InputGradCase, float, double, BFloat16>(),
                           describe<WeightGradCase, float, double, BFloat16>()}};
}

}  // namespace switchyard::kernels::workbench
