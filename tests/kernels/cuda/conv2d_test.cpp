#include "kernels/api/conv2d.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "kernels/common/sizes.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::BFloat16;
using kernels::ConvShape;
using kernels::Simt;

// batch, height, width, channels, filters, kernel height, kernel width, stride, padding
/// Such that large tiles fill a GPU: for y, for gx, and each with narrow loads; for gw.
const std::vector<ConvShape> kLarge = {
    {1, 130, 127, 8, 128, 1, 1, 1, 0}, {1, 130, 127, 128, 8, 1, 1, 1, 0},
    {1, 130, 127, 3, 128, 1, 1, 1, 0}, {1, 130, 127, 128, 5, 1, 1, 1, 0},
    {1, 2, 2, 512, 512, 3, 3, 1, 1},   {1, 1, 2, 510, 511, 3, 3, 1, 1}};

/// Standard normal values, rounded to T.
template <class T>
std::vector<T> numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<T> values;
  for (const double v : random_tensor({count}, seed).to_doubles()) {
    if constexpr (std::is_same_v<T, BFloat16>) {
      values.push_back(BFloat16(static_cast<float>(v)));
    } else {
      values.push_back(static_cast<T>(v));
    }
  }
  return values;
}
double as_double(BFloat16 v) { return double{static_cast<float>(v)}; }
double as_double(double v) { return v; }

/// Operands of all three faces.
template <class T>
struct Operands {
  ConvShape s;
  std::vector<T> x, w, gy;

  explicit Operands(const ConvShape& shape)
      : s(shape),
        x(numbers<T>(s.x_size(), 1)),
        w(numbers<T>(s.w_size(), 2)),
        gy(numbers<T>(s.y_size(), 3)) {}
};

struct Faces {
  std::vector<double> y, gx, gw;
};

/// All three faces by one pass over the terms of the trilinear form.
template <class T>
Faces plain_loops(const Operands<T>& in) {
  const ConvShape& s = in.s;
  Faces sums = {std::vector<double>(static_cast<std::size_t>(s.y_size())),
                std::vector<double>(static_cast<std::size_t>(s.x_size())),
                std::vector<double>(static_cast<std::size_t>(s.w_size()))};
  for (std::int64_t row = 0; row < s.batch * s.out_height() * s.out_width(); ++row) {
    const std::int64_t n = row / (s.out_height() * s.out_width());
    const std::int64_t top = row / s.out_width() % s.out_height() * s.stride - s.padding;
    const std::int64_t left = row % s.out_width() * s.stride - s.padding;
    for (std::int64_t tap = 0; tap < s.w_size(); ++tap) {
      const std::int64_t ih = top + tap % s.patch_size() / (s.kernel_width * s.channels);
      const std::int64_t iw = left + tap / s.channels % s.kernel_width;
      if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
      const std::int64_t ix = ((n * s.height + ih) * s.width + iw) * s.channels + tap % s.channels;
      const std::int64_t iy = row * s.filters + tap / s.patch_size();
      const double x = as_double(in.x[static_cast<std::size_t>(ix)]);
      const double w = as_double(in.w[static_cast<std::size_t>(tap)]);
      const double gy = as_double(in.gy[static_cast<std::size_t>(iy)]);
      sums.y[static_cast<std::size_t>(iy)] += x * w;
      sums.gx[static_cast<std::size_t>(ix)] += gy * w;
      sums.gw[static_cast<std::size_t>(tap)] += gy * x;
    }
  }
  return sums;
}

/// One way to compute all three faces; null: that face is not asked for.
template <class T, class Sum>
struct Kernels {
  using Function = void(Simt&, const ConvShape&, const T*, const T*, Sum*);
  Function* forward = nullptr;
  Function* input_grad = nullptr;
  Function* weight_grad = nullptr;
};

template <class T, class Sum>
void expect_faces_match(const Kernels<T, Sum>& kernels, const ConvShape& s, double tolerance) {
  SCOPED_TRACE(fmt::format("{}x{}x{}x{} by {}x{}x{}, stride {}, padding {}", s.batch, s.height,
                           s.width, s.channels, s.filters, s.kernel_height, s.kernel_width,
                           s.stride, s.padding));
  const Operands<T> in(s);
  const Faces want = plain_loops(in);
  Simt simt;
  const auto expect_close = [&](auto* run, const T* first, const T* second,
                                const std::vector<double>& wanted, const char* face) {
    if (run == nullptr) return;
    GuardedBuffer<Sum> result(static_cast<std::int64_t>(wanted.size()));
    run(simt, s, first, second, result.data());
    EXPECT_LE(relative_error(result.values(), wanted), tolerance) << face;
  };
  expect_close(kernels.forward, in.x.data(), in.w.data(), want.y, "forward");
  expect_close(kernels.input_grad, in.gy.data(), in.w.data(), want.gx, "input gradient");
  expect_close(kernels.weight_grad, in.x.data(), in.gy.data(), want.gw, "weight gradient");
}

/// Calls body(variant, kernels with that variant alone) for every variant of the three ladders.
template <class T, class Sum, class Ladder, class Body>
void for_each_variant(const Ladder& forward, const Ladder& input_grad, const Ladder& weight_grad,
                      const Body& body) {
  for (const auto& v : forward) body(v, Kernels<T, Sum>{.forward = v.run});
  for (const auto& v : input_grad) body(v, Kernels<T, Sum>{.input_grad = v.run});
  for (const auto& v : weight_grad) body(v, Kernels<T, Sum>{.weight_grad = v.run});
}
template <class T, class Body>
void for_each_variant(const Body& body) {
  for_each_variant<T, T>(kernels::conv2d_ladder<Simt, T>(),
                         kernels::conv2d_input_grad_ladder<Simt, T>(),
                         kernels::conv2d_weight_grad_ladder<Simt, T>(), body);
}
template <class Body>
void for_each_bf16_variant(const Body& body) {
  for_each_variant<BFloat16, float>(kernels::conv2d_bf16_ladder<Simt>(),
                                    kernels::conv2d_input_grad_bf16_ladder<Simt>(),
                                    kernels::conv2d_weight_grad_bf16_ladder<Simt>(), body);
}

bool is_wide(const auto& variant) { return variant.name.ends_with("_wide"); }

template <class T>
class CudaConv2d : public testing::Test {
 protected:
  static Kernels<T, T> entry_points() {
    return {kernels::conv2d<Simt, T>, kernels::conv2d_input_grad<Simt, T>,
            kernels::conv2d_weight_grad<Simt, T>};
  }
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaConv2d, RealTypes);

TYPED_TEST(CudaConv2d, LargeTilesMatchPlainLoops) {
  for (const ConvShape& s : kLarge) {
    expect_faces_match(this->entry_points(), s, tolerance(kDTypeOf<TypeParam>));
  }
}

TYPED_TEST(CudaConv2d, WeightGradientOverManyPixelsAddsItsPartsInOrder) {
  for (const std::int64_t channels : {3, 4}) {                 // narrow and wide loads
    const ConvShape s = {5, 24, 23, channels, 4, 3, 3, 1, 1};  // 2760 pixels: several parts
    expect_faces_match(
        Kernels<TypeParam, TypeParam>{.weight_grad = kernels::conv2d_weight_grad<Simt, TypeParam>},
        s, tolerance(kDTypeOf<TypeParam>));
    const Operands<TypeParam> in(s);
    std::vector<std::vector<double>> results;
    for_thread_counts([&] {
      GuardedBuffer<TypeParam> gw(s.w_size());
      Simt simt;
      kernels::conv2d_weight_grad(simt, s, in.x.data(), in.gy.data(), gw.data());
      results.push_back(gw.values());
    });
    for (const auto& result : results) EXPECT_EQ(result, results.front());
  }
}

TYPED_TEST(CudaConv2d, WideVariantsRefuseWhatIsNotAligned) {
  for_each_variant<TypeParam>([](const auto& variant, const auto&) {
    if (!is_wide(variant)) return;
    SCOPED_TRACE(variant.name);
    const auto refused = [&](const ConvShape& s, std::int64_t shift) {
      const std::vector<TypeParam> operand(1000);
      GuardedBuffer<TypeParam> result(1000);
      Simt simt;
      expect_error<std::invalid_argument>(
          [&] { variant.run(simt, s, operand.data() + shift, operand.data(), result.data()); },
          fmt::format("[{}] needs operands 16-byte aligned", variant.name));
    };
    refused({1, 3, 3, 4, 4, 3, 3, 1, 1}, 1);
    refused({1, 3, 3, 5, 4, 3, 3, 1, 1}, 0);
  });
}

/// Shapes of which something does not fit 32-bit indices, and what the error says.
const std::vector<std::pair<ConvShape, const char*>> kTooLarge = {
    {{std::int64_t{1} << 31, 1, 1, 4, 4}, "batch of 2147483648"},
    {{1, std::int64_t{1} << 40, 1, 4, 4}, "height of 1099511627776"},
    {{1 << 16, 1 << 10, 1 << 10, 4, 4}, "input pixels of 65536 * 1024 * 1024"},
    {{1, 8, 8, 1 << 30, 4, 3, 3, 1, 1}, "patch of 3 * 3 * 1073741824"},
    {{1, 8, 8, 4, 1 << 30, 3, 3, 1, 1}, "patch of the gradient"},
    {{1, 8, 8, 4, 4, 3, 3, 1, std::int64_t{1} << 31}, "padding of 2147483648"},
    {{1, 8, 8, 4, 4, 3, 3, 1, std::int64_t{1} << 30}, "padded height of 2147483656"},
    {{-1, 8, 8, 4, 4, 3, 3, 1, 1}, "batch of -1"}};

template <class T, class Sum>
void expect_too_large_refused(const auto& variant) {
  for (const auto& [shape, part] : kTooLarge) {
    const T* const nothing = nullptr;
    Sum* const nowhere = nullptr;
    Simt simt;
    const std::string text = error_text<std::invalid_argument>(
        [&] { variant.run(simt, shape, nothing, nothing, nowhere); });
    EXPECT_EQ(text.find(fmt::format("[{}", variant.name.substr(0, 13))), 0U) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TYPED_TEST(CudaConv2d, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  for_each_variant<TypeParam>([](const auto& variant, const auto&) {
    expect_too_large_refused<TypeParam, TypeParam>(variant);
  });
}

TEST(CudaConv2dBf16, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  for_each_bf16_variant(
      [](const auto& variant, const auto&) { expect_too_large_refused<BFloat16, float>(variant); });
}

const Kernels<BFloat16, float> kBf16EntryPoints = {kernels::conv2d_bf16<Simt>,
                                                   kernels::conv2d_input_grad_bf16<Simt>,
                                                   kernels::conv2d_weight_grad_bf16<Simt>};

TEST(CudaConv2dBf16, LargeTilesMatchPlainLoops) {
  for (const ConvShape& s : kLarge) {
    expect_faces_match(kBf16EntryPoints, s, tolerance(DType::kFloat32));
  }
}

}  // namespace
}  // namespace switchyard::test
