#include "kernels/api/grouped_matmul.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "kernels/common/sizes.h"
#include "kernels/simt/executor.h"
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
    kernels::grouped_matmul(simt, in.s, segments.offsets.data(), in.x.data(), in.w.data(), false,
                            y.data());
    kernels::grouped_matmul_weight_grad(simt, in.s, segments.offsets.data(), in.x.data(),
                                        in.gy.data(), gw.data());
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
  expect_error<std::invalid_argument>(
      [&] {
        kernels::grouped_matmul_ladder<Simt, TypeParam>().back().run(
            simt, in.s, segments.offsets.data(), in.x.data() + 1, in.w.data(), false, out.data());
      },
      kNeeds);
  expect_error<std::invalid_argument>(
      [&] {
        kernels::grouped_matmul_weight_grad_ladder<Simt, TypeParam>().back().run(
            simt, in.s, segments.offsets.data(), in.x.data(), in.gy.data() + 1, out.data());
      },
      kNeeds);
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
  const TypeParam* const nothing = nullptr;
  TypeParam* const nowhere = nullptr;
  Simt simt;
  for (const auto& [shape, part] : cases) {
    const auto refused = [&](const auto& call, std::string_view name) {
      const std::string text = error_text<std::invalid_argument>(call);
      EXPECT_EQ(text.find(fmt::format("[{}]", name)), 0U) << text;
      EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    for (const auto& variant : kernels::grouped_matmul_ladder<Simt, TypeParam>()) {
      refused([&] { variant.run(simt, shape, nullptr, nothing, nothing, false, nowhere); },
              variant.name);
    }
    for (const auto& variant : kernels::grouped_matmul_weight_grad_ladder<Simt, TypeParam>()) {
      refused([&] { variant.run(simt, shape, nullptr, nothing, nothing, nowhere); }, variant.name);
    }
  }
}

}  // namespace
}  // namespace switchyard::test
