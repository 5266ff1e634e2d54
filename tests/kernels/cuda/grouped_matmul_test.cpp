#include "kernels/api/grouped_matmul.h"

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

using kernels::GroupedShape;
using kernels::Simt;

struct Segments {
  std::vector<std::int64_t> offsets;
  std::int64_t inner, cols;

  GroupedShape shape() const {
    return {offsets.back(), static_cast<std::int64_t>(offsets.size()) - 1, inner, cols};
  }
};

/// Segments for more experts than a warp looks at in one go, with empty ones between.
Segments many_experts() {
  Segments segments = {{0}, 12, 8};
  for (std::int64_t e = 0; e < 75; ++e) {
    segments.offsets.push_back(segments.offsets.back() + (e % 3 == 1 ? 0 : e * 7 % 11));
  }
  return segments;
}

const std::vector<Segments> kOdd = {
    {{0, 1}, 1, 1},                     // one row
    {{0, 31, 31, 64, 65, 65}, 33, 17},  // empty experts between and last
    {{0, 0, 127, 127}, 31, 127},        // one busy expert, several tiles
    {{0, 64, 192, 193}, 7, 66},         // segments of whole tiles
    {{0, 0, 0}, 5, 4},                  // no rows at all
    {{0, 2, 4}, 0, 3},                  // empty sums
    {{0, 2, 4}, 3, 0},                  // no columns
    {{0}, 3, 3},                        // no experts
};
/// Rows of 16 bytes.
const std::vector<Segments> kAligned = {
    {{0, 33, 33, 100}, 36, 68}, {{0, 0, 64}, 4, 64}, {{0, 0}, 8, 8}, many_experts()};

template <class T>
std::vector<T> numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<T> values;
  for (const double v : random_tensor({count}, seed, kDTypeOf<T>).to_doubles()) {
    values.push_back(static_cast<T>(v));
  }
  return values;
}

/// One more element before the operands where `shift` is 1: rows that are not aligned to 16 bytes.
template <class T>
struct Operands {
  GroupedShape s;
  std::int64_t shift;
  std::vector<T> x, w, gy;

  explicit Operands(const GroupedShape& shape, std::int64_t offset = 0)
      : s(shape),
        shift(offset),
        x(numbers<T>(s.rows * s.inner + shift, 1)),
        w(numbers<T>(s.experts * s.inner * s.cols + shift, 2)),
        gy(numbers<T>(s.rows * s.cols + shift, 3)) {}
};

template <class T>
std::vector<double> plain_forward(const Segments& segments, const Operands<T>& in,
                                  bool transpose_w) {
  std::vector<double> y;
  const auto [rows, experts, inner, cols] = in.s;
  const T* const x = in.x.data() + in.shift;
  for (std::int64_t e = 0; e < experts; ++e) {
    const T* const w = in.w.data() + in.shift + e * inner * cols;
    for (std::int64_t row = segments.offsets[static_cast<std::size_t>(e)];
         row < segments.offsets[static_cast<std::size_t>(e) + 1]; ++row) {
      for (std::int64_t j = 0; j < cols; ++j) {
        double sum = 0;
        for (std::int64_t d = 0; d < inner; ++d) {
          sum += double{x[row * inner + d]} * w[transpose_w ? j * inner + d : d * cols + j];
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

template <class T>
std::vector<double> plain_weight_grad(const Segments& segments, const Operands<T>& in) {
  std::vector<double> gw;
  const auto [rows, experts, inner, cols] = in.s;
  const T* const x = in.x.data() + in.shift;
  const T* const gy = in.gy.data() + in.shift;
  for (std::int64_t e = 0; e < experts; ++e) {
    for (std::int64_t i = 0; i < inner * cols; ++i) {
      double sum = 0;
      for (std::int64_t row = segments.offsets[static_cast<std::size_t>(e)];
           row < segments.offsets[static_cast<std::size_t>(e) + 1]; ++row) {
        sum += double{x[row * inner + i / cols]} * gy[row * cols + i % cols];
      }
      gw.push_back(sum);
    }
  }
  return gw;
}

template <class T>
using Forward = kernels::GroupedMatmulFunction<Simt, T>;
template <class T>
using WeightGrad = kernels::GroupedMatmulWeightGradFunction<Simt, T>;

template <class T>
void expect_forward_matches(Forward<T>* run, const Segments& segments, std::int64_t shift = 0) {
  const Operands<T> in(segments.shape(), shift);
  for (const bool transpose_w : {false, true}) {
    SCOPED_TRACE(fmt::format("{} experts, {}x{}, {}", in.s.experts, in.s.inner, in.s.cols,
                             transpose_w ? "transposed" : "plain"));
    GuardedBuffer<T> y(in.s.rows * in.s.cols);
    Simt simt;
    run(simt, in.s, segments.offsets.data(), in.x.data() + shift, in.w.data() + shift, transpose_w,
        y.data());
    EXPECT_LE(relative_error(y.values(), plain_forward(segments, in, transpose_w)),
              tolerance(kDTypeOf<T>));
  }
}

template <class T>
void expect_weight_grad_matches(WeightGrad<T>* run, const Segments& segments,
                                std::int64_t shift = 0) {
  const Operands<T> in(segments.shape(), shift);
  SCOPED_TRACE(fmt::format("{} experts, {}x{}", in.s.experts, in.s.inner, in.s.cols));
  GuardedBuffer<T> gw(in.s.experts * in.s.inner * in.s.cols);
  Simt simt;
  run(simt, in.s, segments.offsets.data(), in.x.data() + shift, in.gy.data() + shift, gw.data());
  EXPECT_LE(relative_error(gw.values(), plain_weight_grad(segments, in)), tolerance(kDTypeOf<T>));
}

template <class T>
class CudaGroupedMatmul : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGroupedMatmul, RealTypes);

TYPED_TEST(CudaGroupedMatmul, EveryVariantMatchesPlainLoops) {
  for (const auto& variant : kernels::grouped_matmul_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    for (const Segments& s : kAligned) expect_forward_matches<TypeParam>(variant.run, s);
    if (!variant.needs.empty()) continue;
    for (const Segments& s : kOdd) expect_forward_matches<TypeParam>(variant.run, s);
  }
}

TYPED_TEST(CudaGroupedMatmul, EveryWeightGradVariantMatchesPlainLoops) {
  for (const auto& variant : kernels::grouped_matmul_weight_grad_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    for (const Segments& s : kAligned) expect_weight_grad_matches<TypeParam>(variant.run, s);
    if (!variant.needs.empty()) continue;
    for (const Segments& s : kOdd) expect_weight_grad_matches<TypeParam>(variant.run, s);
  }
}

TYPED_TEST(CudaGroupedMatmul, EntryPointsTakeAnySizeAndAlignment) {
  for (const std::int64_t shift : {0, 1}) {
    for (const auto* cases : {&kOdd, &kAligned}) {
      for (const Segments& s : *cases) {
        expect_forward_matches<TypeParam>(kernels::grouped_matmul<Simt, TypeParam>, s, shift);
        expect_weight_grad_matches<TypeParam>(kernels::grouped_matmul_weight_grad<Simt, TypeParam>,
                                              s, shift);
      }
    }
  }
}

TYPED_TEST(CudaGroupedMatmul, WeightGradOfABusyExpertAddsItsPartsInOrder) {
  // More rows than one sum takes, with wide loads and without.
  for (const Segments& busy : {Segments{{0, 9001}, 4, 8}, Segments{{0, 9001}, 3, 5}}) {
    expect_weight_grad_matches<TypeParam>(kernels::grouped_matmul_weight_grad<Simt, TypeParam>,
                                          busy);
  }
}

TYPED_TEST(CudaGroupedMatmul, SameBitsOnAnyNumberOfThreads) {
  const Segments segments = kOdd[1];
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
