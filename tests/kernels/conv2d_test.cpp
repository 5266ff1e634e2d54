#include "kernels/api/conv2d.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"
#include "tests/kernels/print_conv_shape.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::ConvShape;
using kernels::Cpu;

/// The form's three faces as one list of numbers each.
struct Faces {
  std::vector<double> y, gx, gw;
};

/// Seeded operands of one dtype.
struct Operands {
  Tensor x, w, gy;

  Operands(const ConvShape& s, DType dtype)
      : x(random_tensor({s.x_size()}, 1, dtype)),
        w(random_tensor({s.w_size()}, 2, dtype)),
        gy(random_tensor({s.y_size()}, 3, dtype)) {}
};

template <class T>
Faces kernel_faces(const ConvShape& s, const Operands& in, Cpu cpu) {
  GuardedBuffer<T> y(s.y_size());
  GuardedBuffer<T> gx(s.x_size());
  GuardedBuffer<T> gw(s.w_size());
  const auto* x = in.x.data<T>();
  const auto* w = in.w.data<T>();
  const auto* gy = in.gy.data<T>();
  run(cpu, kernels::Conv2d<T>{s, x, w, y.data()});
  run(cpu, kernels::Conv2dInputGrad<T>{s, gy, w, gx.data()});
  run(cpu, kernels::Conv2dWeightGrad<T>{s, x, gy, gw.data()});
  return {y.values(), gx.values(), gw.values()};
}

template <class T>
Faces kernel_faces(const ConvShape& s, Cpu cpu) {
  return kernel_faces<T>(s, Operands(s, kDTypeOf<T>), cpu);
}

Faces float64_faces_of_float32_operands(const ConvShape& s) {
  Operands in(s, DType::kFloat32);
  for (Tensor* operand : {&in.x, &in.w, &in.gy}) *operand = operand->to(DType::kFloat64);
  return kernel_faces<double>(s, in, {});
}

/// Calls term(offset in x, in w, in y) for every product of the trilinear form.
template <class Term>
void for_each_term(const ConvShape& s, const Term& term) {
  for (std::int64_t row = 0; row < s.batch * s.out_height() * s.out_width(); ++row) {
    const std::int64_t n = row / (s.out_height() * s.out_width());
    const std::int64_t top = row / s.out_width() % s.out_height() * s.stride - s.padding;
    const std::int64_t left = row % s.out_width() * s.stride - s.padding;
    for (std::int64_t tap = 0; tap < s.w_size(); ++tap) {
      const std::int64_t o = tap / s.patch_size();
      const std::int64_t ih = top + tap % s.patch_size() / (s.kernel_width * s.channels);
      const std::int64_t iw = left + tap / s.channels % s.kernel_width;
      if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) continue;
      const std::int64_t pixel = (n * s.height + ih) * s.width + iw;
      term(static_cast<std::size_t>(pixel * s.channels + tap % s.channels),
           static_cast<std::size_t>(tap), static_cast<std::size_t>(row * s.filters + o));
    }
  }
}

Faces plain_loops(const ConvShape& s, DType dtype) {
  const Operands in(s, dtype);
  const std::vector<double> x = in.x.to_doubles();
  const std::vector<double> w = in.w.to_doubles();
  const std::vector<double> gy = in.gy.to_doubles();
  Faces sums = {std::vector<double>(gy.size()), std::vector<double>(x.size()),
                std::vector<double>(w.size())};
  for_each_term(s, [&](std::size_t ix, std::size_t iw, std::size_t iy) {
    sums.y[iy] += x[ix] * w[iw];
    sums.gx[ix] += gy[iy] * w[iw];
    sums.gw[iw] += gy[iy] * x[ix];
  });
  return sums;
}

void expect_faces_close(const Faces& got, const Faces& want, double tolerance) {
  EXPECT_LE(relative_error(got.y, want.y), tolerance);
  EXPECT_LE(relative_error(got.gx, want.gx), tolerance);
  EXPECT_LE(relative_error(got.gw, want.gw), tolerance);
}

class Conv2dKernels : public testing::TestWithParam<ConvShape> {};

TEST_P(Conv2dKernels, Float64MatchesPlainLoops) {
  const ConvShape& s = GetParam();
  expect_faces_close(kernel_faces<double>(s, {}), plain_loops(s, DType::kFloat64),
                     tolerance(DType::kFloat64));
}

TEST_P(Conv2dKernels, Float32MatchesPlainLoops) {
  const ConvShape& s = GetParam();
  const Faces want = plain_loops(s, DType::kFloat32);
  expect_faces_close(kernel_faces<float>(s, {}), want, tolerance(DType::kFloat32));
  expect_faces_close(kernel_faces<float>(s, {.reproducible = true}), want,
                     tolerance(DType::kFloat32));
}

template <class T>
void expect_same_bits_on_one_and_three_threads(const ConvShape& s, Cpu cpu) {
  const int before = kernels::thread_count();
  kernels::set_thread_count(1);
  const Faces one = kernel_faces<T>(s, cpu);
  kernels::set_thread_count(3);
  const Faces three = kernel_faces<T>(s, cpu);
  kernels::set_thread_count(before);
  EXPECT_EQ(one.y, three.y);
  EXPECT_EQ(one.gx, three.gx);
  EXPECT_EQ(one.gw, three.gw);
}

TEST_P(Conv2dKernels, ReproducibleModeGivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_one_and_three_threads<float>(GetParam(), {.reproducible = true});
  expect_same_bits_on_one_and_three_threads<double>(GetParam(), {});
}

void expect_same_bits_every_run(const ConvShape& s) {
  const Faces first = kernel_faces<float>(s, {});
  const Faces second = kernel_faces<float>(s, {});
  EXPECT_EQ(first.y, second.y);
  EXPECT_EQ(first.gx, second.gx);
  EXPECT_EQ(first.gw, second.gw);
}

TEST_P(Conv2dKernels, SameBitsEveryRun) { expect_same_bits_every_run(GetParam()); }

// batch, height, width, channels, filters, kernel height, kernel width, stride, padding
constexpr ConvShape kShapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0},     {2, 5, 7, 3, 16, 3, 3, 1, 1},  {3, 31, 33, 3, 8, 3, 3, 2, 1},
    {2, 33, 31, 1, 31, 5, 5, 2, 2},  {2, 8, 8, 33, 31, 3, 3, 1, 1}, {5, 8, 8, 32, 64, 1, 1, 2, 0},
    {9, 4, 4, 64, 33, 1, 1, 1, 0},   {2, 9, 6, 16, 16, 5, 3, 1, 0}, {17, 6, 6, 16, 32, 3, 3, 2, 1},
    {2, 10, 10, 7, 5, 3, 3, 2, 0},   {1, 3, 3, 4, 4, 5, 5, 1, 1},   {2, 6, 6, 8, 8, 1, 1, 1, 1},
    {3, 4, 4, 160, 160, 3, 3, 1, 1}, {3, 7, 7, 16, 16, 3, 3, 3, 1},
};
INSTANTIATE_TEST_SUITE_P(Odd, Conv2dKernels, testing::ValuesIn(kShapes));

constexpr ConvShape kEmptyShapes[] = {
    {0, 5, 5, 3, 4, 3, 3, 1, 1},
    {2, 5, 5, 0, 4, 3, 3, 1, 1},
    {2, 5, 5, 3, 0, 3, 3, 1, 1},
    {2, 0, 5, 3, 4, 1, 1, 1, 1},
};
INSTANTIATE_TEST_SUITE_P(Empty, Conv2dKernels, testing::ValuesIn(kEmptyShapes));

/// More images than the block of patches holds: partial sums of several blocks.
TEST(Conv2dFloat64Kernel, AddsSeveralBlocksOfImages) {
  const ConvShape s = {5, 40, 40, 64, 2, 3, 3, 1, 1};
  expect_faces_close(kernel_faces<double>(s, {}), plain_loops(s, DType::kFloat64),
                     tolerance(DType::kFloat64));
}

/// Shapes that are large enough for Winograd's algorithm, the library's or ours; the float64
/// kernel, which the tests above compare with plain loops, is the reference.
class Conv2dLargeKernels : public testing::TestWithParam<ConvShape> {};

TEST_P(Conv2dLargeKernels, Float32MatchesFloat64) {
  const ConvShape& s = GetParam();
  const Faces want = float64_faces_of_float32_operands(s);
  expect_faces_close(kernel_faces<float>(s, {}), want, 5e-6);
  expect_faces_close(kernel_faces<float>(s, {.reproducible = true}), want, 5e-6);
}

TEST_P(Conv2dLargeKernels, ReproducibleModeGivesTheSameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_one_and_three_threads<float>(GetParam(), {.reproducible = true});
}

TEST_P(Conv2dLargeKernels, SameBitsEveryRun) { expect_same_bits_every_run(GetParam()); }

constexpr ConvShape kLargeShapes[] = {
    {2, 33, 32, 64, 80, 3, 3, 1, 1},
    {2, 46, 47, 128, 144, 3, 3, 1, 1},  // also in chunks of one image
    {17, 31, 13, 128, 128, 3, 3, 1, 1},
    {9, 18, 18, 144, 128, 3, 3, 1, 0},
    {130, 4, 4, 128, 160, 3, 3, 1, 1},
};
INSTANTIATE_TEST_SUITE_P(Odd, Conv2dLargeKernels, testing::ValuesIn(kLargeShapes));

}  // namespace
}  // namespace switchyard::test
