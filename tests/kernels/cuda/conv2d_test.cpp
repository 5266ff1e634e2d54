#include "kernels/api/conv2d.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// Checks what the workbench's sweeps over sizes, types and alignments do not say.

namespace switchyard::test {
namespace {

using kernels::BFloat16;
using kernels::ConvShape;
using kernels::Simt;

/// Calls body(rung) for every rung of the three faces.
template <class T, class Body>
void for_each_rung(const Body& body) {
  for (const auto& rung : kernels::ladder<Simt, kernels::Conv2d<T>>()) body(rung);
  for (const auto& rung : kernels::ladder<Simt, kernels::Conv2dInputGrad<T>>()) body(rung);
  for (const auto& rung : kernels::ladder<Simt, kernels::Conv2dWeightGrad<T>>()) body(rung);
}

template <class T>
class CudaConv2d : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaConv2d, RealTypes);

TYPED_TEST(CudaConv2d, WeightGradientAddsItsPartsInOrder) {
  const auto values = [](std::int64_t count, std::uint64_t seed) {
    const std::vector<double> normal = random_tensor({count}, seed).to_doubles();
    return std::vector<TypeParam>(normal.begin(), normal.end());
  };
  for (const std::int64_t channels : {3, 4}) {                 // narrow and wide loads
    const ConvShape s = {5, 24, 23, channels, 4, 3, 3, 1, 1};  // 2760 pixels: several parts
    const std::vector<TypeParam> x = values(s.x_size(), 1);
    const std::vector<TypeParam> gy = values(s.y_size(), 2);
    std::vector<std::vector<double>> results;
    for_thread_counts([&] {
      GuardedBuffer<TypeParam> gw(s.w_size());
      Simt simt;
      kernels::run(simt, kernels::Conv2dWeightGrad<TypeParam>{s, x.data(), gy.data(), gw.data()});
      results.push_back(gw.values());
    });
    for (const auto& result : results) EXPECT_EQ(result, results.front());
  }
}

TYPED_TEST(CudaConv2d, WideVariantsRefuseWhatIsNotAligned) {
  for_each_rung<TypeParam>([]<class Op>(const kernels::Rung<Simt, Op>& rung) {
    if (!rung.name.ends_with("_wide")) return;
    SCOPED_TRACE(rung.name);
    const auto refused = [&](const ConvShape& s, std::int64_t shift) {
      const std::vector<TypeParam> operand(1000);
      GuardedBuffer<TypeParam> result(1000);
      Simt simt;
      expect_error<kernels::Refusal>(
          [&] {
            kernels::run_rung(simt, rung,
                              Op{s, operand.data() + shift, operand.data(), result.data()});
          },
          fmt::format("[{}] needs operands 16-byte aligned", rung.name));
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

template <class Op>
void expect_too_large_refused(const kernels::Rung<Simt, Op>& rung) {
  for (const auto& [shape, part] : kTooLarge) {
    const Op arguments = {.shape = shape};
    Simt simt;
    const std::string text = error_text<kernels::Refusal>([&] { rung.run(simt, arguments); });
    EXPECT_EQ(text.find(fmt::format("[{}", rung.name.substr(0, 13))), 0U) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TYPED_TEST(CudaConv2d, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  for_each_rung<TypeParam>([](const auto& rung) { expect_too_large_refused(rung); });
}

TEST(CudaConv2dBf16, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  for_each_rung<BFloat16>([](const auto& rung) { expect_too_large_refused(rung); });
}

}  // namespace
}  // namespace switchyard::test
