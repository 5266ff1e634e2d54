#include "kernels/api/grouped_matmul.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/run.h"
#include "kernels/common/sizes.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::GroupedShape;
using kernels::Simt;

struct Segments {
  std::vector<std::int64_t> offsets;
  std::int64_t inner, cols;

  GroupedShape shape() const {
    return {offsets.back(), static_cast<std::int64_t>(offsets.size()) - 1, inner, cols};
  }
};

/// One more element before the operands where `shift` is 1: rows that are not aligned to 16 bytes.
template <class T>
struct Operands {
  GroupedShape s;
  std::int64_t shift;
  std::vector<T> x, w, gy;

  explicit Operands(const GroupedShape& shape, std::int64_t offset = 0)
      : s(shape),
        shift(offset),
        x(random_numbers<T>(s.rows * s.inner + shift, 1)),
        w(random_numbers<T>(s.experts * s.inner * s.cols + shift, 2)),
        gy(random_numbers<T>(s.rows * s.cols + shift, 3)) {}
};

template <class T>
class CudaGroupedMatmul : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGroupedMatmul, RealTypes);

TYPED_TEST(CudaGroupedMatmul, SameBitsOnAnyNumberOfThreads) {
  const Segments segments = {{0, 31, 31, 64, 65, 65}, 33, 17};
  const Operands<TypeParam> in(segments.shape());
  std::vector<std::vector<double>> results;
  for_thread_counts([&] {
    GuardedBuffer<TypeParam> y(in.s.rows * in.s.cols);
    GuardedBuffer<TypeParam> gw(in.s.experts * in.s.inner * in.s.cols);
    Simt simt;
    kernels::run(simt, kernels::GroupedMatmul<TypeParam>{.shape = in.s,
                                                         .offsets = segments.offsets.data(),
                                                         .x = in.x.data(),
                                                         .w = in.w.data(),
                                                         .y = y.data()});
    kernels::run(simt,
                 kernels::GroupedMatmulWeightGrad<TypeParam>{.shape = in.s,
                                                             .offsets = segments.offsets.data(),
                                                             .x = in.x.data(),
                                                             .gy = in.gy.data(),
                                                             .gw = gw.data()});
    results.push_back(y.values());
    for (const double value : gw.values()) results.back().push_back(value);
  });
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

TYPED_TEST(CudaGroupedMatmul, WideVariantsRefuseWhatIsNotAligned) {
  const Segments segments = {{0, 2}, 8, 8};
  const Operands<TypeParam> in(segments.shape(), 1);
  GuardedBuffer<TypeParam> out(64);
  Simt simt;
  const char* const kNeeds = "_wide] needs operands 16-byte aligned";
  const auto refused = [&]<class Op>(const Op& arguments) {
    expect_error<kernels::Refusal>(
        [&] {
          kernels::run_rung(simt, fmt::format("{}_register_tile_wide", Op::kName), arguments);
        },
        kNeeds);
  };
  refused(kernels::GroupedMatmul<TypeParam>{.shape = in.s,
                                            .offsets = segments.offsets.data(),
                                            .x = in.x.data() + 1,
                                            .w = in.w.data(),
                                            .y = out.data()});
  refused(kernels::GroupedMatmulWeightGrad<TypeParam>{.shape = in.s,
                                                      .offsets = segments.offsets.data(),
                                                      .x = in.x.data(),
                                                      .gy = in.gy.data() + 1,
                                                      .gw = out.data()});
}

TYPED_TEST(CudaGroupedMatmul, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  constexpr std::int64_t kMost = kernels::kLargestExtent;
  const std::vector<std::pair<GroupedShape, const char*>> cases = {
      {{kMany, 1, 4, 4}, "rows of 2147483648"},
      {{4, kMany, 4, 4}, "experts of 2147483648"},
      {{4, 1, kMany, 4}, "inner of 2147483648"},
      {{4, 1, 4, kMany}, "cols of 2147483648"},
      {{kMost, 1, kMost, kMost}, " of "}};  // more blocks than a grid has
  Simt simt;
  for (const auto& each : cases) {
    const auto refused = [&simt, part = each.second]<class Op>(const Op& arguments) {
      for (const auto& rung : kernels::ladder<Simt, Op>()) {
        const std::string text =
            error_text<kernels::Refusal>([&] { kernels::run_rung(simt, rung, arguments); });
        EXPECT_EQ(text.find(fmt::format("[{}]", rung.name)), 0U) << text;
        EXPECT_NE(text.find(part), std::string::npos) << text;
      }
    };
    refused(kernels::GroupedMatmul<TypeParam>{.shape = each.first});
    refused(kernels::GroupedMatmulWeightGrad<TypeParam>{.shape = each.first});
  }
}

}  // namespace
}  // namespace switchyard::test
