#include "kernels/cpu/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/cpu/parallel.h"
#include "tests/kernels/print_conv_shape.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::ConvFace;
using kernels::ConvShape;
using kernels::Cpu;

constexpr double kTolerance = 5e-6;

/// Seeded float32 operands and what the float64 kernel, which other tests compare with plain loops,
/// makes of them.
struct Problem {
  Tensor x, w, gy;
  std::vector<double> y, gx, gw;

  explicit Problem(const ConvShape& s)
      : x(random_tensor({s.x_size()}, 1, DType::kFloat32)),
        w(random_tensor({s.w_size()}, 2, DType::kFloat32)),
        gy(random_tensor({s.y_size()}, 3, DType::kFloat32)),
        y(static_cast<std::size_t>(s.y_size())),
        gx(static_cast<std::size_t>(s.x_size())),
        gw(static_cast<std::size_t>(s.w_size())) {
    Cpu cpu;
    const Tensor x64 = x.to(DType::kFloat64);
    const Tensor w64 = w.to(DType::kFloat64);
    const Tensor gy64 = gy.to(DType::kFloat64);
    run(cpu, kernels::Conv2d<double>{s, x64.data<double>(), w64.data<double>(), y.data()});
    run(cpu,
        kernels::Conv2dInputGrad<double>{s, gy64.data<double>(), w64.data<double>(), gx.data()});
    run(cpu,
        kernels::Conv2dWeightGrad<double>{s, x64.data<double>(), gy64.data<double>(), gw.data()});
  }
};

/// y, gx and gw by Winograd's algorithm.
std::vector<std::vector<double>> faces(const ConvShape& s, const Problem& p) {
  GuardedBuffer<float> y(s.y_size());
  GuardedBuffer<float> gx(s.x_size());
  GuardedBuffer<float> gw(s.w_size());
  const auto* x = p.x.data<float>();
  const auto* w = p.w.data<float>();
  const auto* gy = p.gy.data<float>();
  kernels::winograd_convolution(ConvFace::kForward, s, x, w, y.data());
  kernels::winograd_convolution(ConvFace::kInputGrad, s, gx.data(), w, gy);
  kernels::winograd_convolution(ConvFace::kWeightGrad, s, x, gw.data(), gy);
  return {y.values(), gx.values(), gw.values()};
}

class WinogradKernels : public testing::TestWithParam<ConvShape> {};

TEST_P(WinogradKernels, FacesMatchFloat64) {
  const Problem p(GetParam());
  const auto got = faces(GetParam(), p);
  EXPECT_LE(relative_error(got[0], p.y), kTolerance);
  EXPECT_LE(relative_error(got[1], p.gx), kTolerance);
  EXPECT_LE(relative_error(got[2], p.gw), kTolerance);
}

TEST_P(WinogradKernels, SameBitsOnAnyNumberOfThreads) {
  const Problem p(GetParam());
  const int before = kernels::thread_count();
  kernels::set_thread_count(1);
  const auto one = faces(GetParam(), p);
  kernels::set_thread_count(3);
  const auto three = faces(GetParam(), p);
  kernels::set_thread_count(before);
  EXPECT_EQ(one, three);
}

TEST_P(WinogradKernels, ForwardAddsBiasAndResidualThenCutsAtZero) {
  const ConvShape& s = GetParam();
  const Problem p(s);
  const Tensor bias = random_tensor({s.filters}, 4, DType::kFloat32);
  const std::vector<double> addend = bias.to_doubles();
  const Tensor residual = random_tensor({s.y_size()}, 5, DType::kFloat32);
  const kernels::WinogradForward forward(s, p.w.data<float>(), bias.data<float>());
  for (const bool accumulate : {false, true}) {
    for (const bool relu : {false, true}) {
      GuardedBuffer<float> y(s.y_size());
      if (accumulate) std::copy_n(residual.data<float>(), s.y_size(), y.data());
      forward.run(p.x.data<float>(), y.data(), accumulate, relu);
      std::vector<double> want = p.y;
      for (std::size_t i = 0; i < want.size(); ++i) {
        want[i] += addend[i % addend.size()];
        if (accumulate) want[i] += residual.data<float>()[i];
        if (relu) want[i] = std::max(want[i], 0.0);
      }
      EXPECT_LE(relative_error(y.values(), want), kTolerance) << accumulate << relu;
    }
  }
}

// batch, height, width, channels, filters, kernel height, kernel width, stride, padding
constexpr ConvShape kShapes[] = {
    {1, 4, 4, 8, 8, 3, 3, 1, 0},      {2, 7, 9, 16, 8, 3, 3, 1, 1},
    {1, 3, 3, 8, 24, 3, 3, 1, 1},     {3, 1, 5, 8, 8, 3, 3, 1, 2},
    {2, 31, 33, 8, 16, 3, 3, 1, 1},   {5, 6, 5, 40, 32, 3, 3, 1, 0},
    {230, 5, 4, 8, 8, 3, 3, 1, 1},    // 460 tiles: two blocks, of 455 and 5
    {130, 4, 4, 512, 8, 3, 3, 1, 1},  // 130 tiles: two blocks, the first of the smallest size, 128
    {1, 9, 9, 8, 8, 3, 3, 2, 0},      {2, 7, 9, 16, 8, 3, 3, 2, 1},
    {1, 3, 3, 8, 24, 3, 3, 2, 1},     {3, 2, 5, 8, 8, 3, 3, 2, 2},
    {2, 32, 34, 8, 16, 3, 3, 2, 1},   {5, 12, 13, 40, 32, 3, 3, 2, 0},
    {70, 12, 12, 8, 8, 3, 3, 2, 1},    // 280 tiles, 4 an image: two blocks of whole images
    {50, 18, 12, 64, 48, 3, 3, 2, 1},  // 300 tiles, 6 an image: blocks of 132, 132 and 36
};
INSTANTIATE_TEST_SUITE_P(Odd, WinogradKernels, testing::ValuesIn(kShapes));

TEST(WinogradKernel, NotANumberStaysOne) {
  const ConvShape s = {1, 4, 4, 8, 8, 3, 3, 1, 1};
  const Problem p(s);
  std::vector<float> x(p.x.data<float>(), p.x.data<float>() + s.x_size());
  x[0] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> bias(8, 0.0F);
  GuardedBuffer<float> y(s.y_size());
  kernels::WinogradForward(s, p.w.data<float>(), bias.data()).run(x.data(), y.data(), false, true);
  EXPECT_NE(y.values()[0], y.values()[0]);
}

TEST(WinogradKernel, PaysOnlyForWhatItTakes) {
  const ConvShape good = {128, 8, 8, 64, 64, 3, 3, 1, 1};
  EXPECT_TRUE(kernels::winograd_pays(good));
  EXPECT_TRUE(kernels::winograd_pays({128, 16, 16, 64, 64, 3, 3, 2, 1}));
  for (const ConvShape& s :
       {ConvShape{128, 32, 32, 64, 64, 3, 3, 3, 1}, ConvShape{128, 16, 16, 32, 64, 3, 3, 2, 1},
        ConvShape{1, 256, 256, 64, 64, 3, 3, 2, 1}, ConvShape{128, 8, 8, 64, 64, 1, 1, 1, 0},
        ConvShape{128, 8, 8, 60, 64, 3, 3, 1, 1}, ConvShape{128, 8, 8, 64, 60, 3, 3, 1, 1},
        ConvShape{128, 8, 8, 64, 64, 3, 3, 1, 3}, ConvShape{1, 8, 8, 64, 64, 3, 3, 1, 1}}) {
    EXPECT_FALSE(kernels::winograd_pays(s));
  }
}

}  // namespace
}  // namespace switchyard::test
