#include "kernels/api/elementwise.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::BroadcastPlan;
using kernels::Simt;
using Sizes = std::vector<std::int64_t>;

template <class Op>
Op make() {
  if constexpr (std::is_same_v<Op, kernels::Affine>) return {1.5, -0.25};
  return Op{};
}

/// Numbers of magnitude 0.1 to 3: logarithm, root and quotient are far from their poles.
template <class T>
std::vector<T> numbers(std::int64_t count, std::uint64_t seed, bool positive = false) {
  std::vector<T> values;
  for (const double v : random_tensor({count}, seed).to_doubles()) {
    const double magnitude = 0.1 + std::fmod(std::abs(v), 2.9);
    values.push_back(static_cast<T>(v < 0 && !positive ? -magnitude : magnitude));
  }
  return values;
}
template <class Op>
constexpr bool kNeedsPositive =
    std::is_same_v<Op, kernels::Log> || std::is_same_v<Op, kernels::Sqrt>;

template <class T>
class CudaElementwise : public testing::Test {
 protected:
  template <class Op>
  void expect_unary(kernels::MapUnaryFunction<Simt, Op, T>* run, std::int64_t n,
                    std::int64_t shift) {
    const std::vector<T> x = numbers<T>(n + shift, 1, kNeedsPositive<Op>);
    std::vector<double> want;
    for (std::int64_t i = shift; i < n + shift; ++i) {
      want.push_back(make<Op>()(double{x[static_cast<std::size_t>(i)]}));
    }
    GuardedBuffer<T> y(n);
    run(simt_, make<Op>(), x.data() + shift, y.data(), n);
    EXPECT_LE(relative_error(y.values(), want), tolerance(kDTypeOf<T>)) << n;
  }
  template <class Op>
  void expect_unary_variants() {
    for (const std::int64_t n : {0, 1, 31, 127, 1027}) {
      for (const auto& variant : kernels::map_unary_ladder<Simt, Op, T>()) {
        SCOPED_TRACE(variant.name);
        expect_unary<Op>(variant.run, n, 0);
      }
      expect_unary<Op>(kernels::map_unary<Simt, Op, T>, n, 0);
      expect_unary<Op>(kernels::map_unary<Simt, Op, T>, n, 1);
    }
  }

  /// Shapes of the same rank that broadcast to `shape`.
  struct Broadcast {
    Sizes shape, a, b;
  };
  static std::int64_t count_of(const Sizes& sizes) {
    std::int64_t count = 1;
    for (const std::int64_t size : sizes) count *= size;
    return count;
  }
  /// Where element `i` of the result finds an operand of these sizes.
  static std::size_t place(const Sizes& shape, const Sizes& sizes, std::int64_t i) {
    std::int64_t at = 0;
    std::int64_t step = 1;
    for (std::size_t axis = shape.size(); axis-- > 0; i /= shape[axis]) {
      if (sizes[axis] != 1) at += i % shape[axis] * step;
      step *= sizes[axis];
    }
    return static_cast<std::size_t>(at);
  }
  static int rank_needed(std::string_view variant, int any) {
    if (variant == "map_binary_last_axis") return 2;
    return variant.starts_with("map_binary_one_axis") ? 1 : any;
  }
  template <class Op>
  void expect_binary(kernels::MapBinaryFunction<Simt, Op, T>* run, const Broadcast& c,
                     std::int64_t shift) {
    const std::vector<T> a = numbers<T>(count_of(c.a) + shift, 2);
    const std::vector<T> b = numbers<T>(count_of(c.b) + shift, 3);
    const auto before = static_cast<std::size_t>(shift);
    std::vector<double> want;
    for (std::int64_t i = 0; i < count_of(c.shape); ++i) {
      want.push_back(make<Op>()(double{a[before + place(c.shape, c.a, i)]},
                                double{b[before + place(c.shape, c.b, i)]}));
    }
    GuardedBuffer<T> y(count_of(c.shape));
    run(simt_, make<Op>(), a.data() + shift, b.data() + shift, y.data(),
        kernels::plan_broadcast(c.shape, c.a, c.b));
    EXPECT_LE(relative_error(y.values(), want), tolerance(kDTypeOf<T>));
  }
  template <class Op>
  void expect_binary_variants() {
    const std::vector<Broadcast> cases = {
        {{127}, {127}, {127}},                        // equal shapes
        {{1029}, {1029}, {1}},                        // scalars
        {{33}, {1}, {33}},                            //
        {{1}, {1}, {1}},                              //
        {{0, 3}, {0, 3}, {1, 3}},                     // empty
        {{31, 33}, {31, 33}, {1, 33}},                // last axis
        {{65, 300}, {1, 300}, {65, 300}},             //
        {{33, 5}, {33, 1}, {33, 5}},                  // first axis
        {{9, 7}, {9, 1}, {1, 7}},                     // outer
        {{3, 5, 2, 7}, {3, 1, 2, 1}, {1, 5, 1, 7}}};  // any strides
    for (const Broadcast& c : cases) {
      SCOPED_TRACE(fmt::format("{} elements, rank {}", count_of(c.shape), c.shape.size()));
      const BroadcastPlan plan = kernels::plan_broadcast(c.shape, c.a, c.b);
      for (const auto& variant : kernels::map_binary_ladder<Simt, Op, T>()) {
        SCOPED_TRACE(variant.name);
        if (plan.rank != rank_needed(variant.name, plan.rank)) continue;
        expect_binary<Op>(variant.run, c, 0);
      }
      expect_binary<Op>(kernels::map_binary<Simt, Op, T>, c, 0);
      expect_binary<Op>(kernels::map_binary<Simt, Op, T>, c, 1);
    }
  }

  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaElementwise, RealTypes);

TYPED_TEST(CudaElementwise, EveryUnaryOperationMatchesItsFormulaInEveryVariant){
#define SWITCHYARD_EXPECT_UNARY(Op)                      \
  {                                                      \
    SCOPED_TRACE(#Op);                                   \
    this->template expect_unary_variants<kernels::Op>(); \
  }
    SWITCHYARD_UNARY_OPS(SWITCHYARD_EXPECT_UNARY)}

TYPED_TEST(CudaElementwise, EveryBinaryOperationMatchesItsFormulaInEveryVariant){
#define SWITCHYARD_EXPECT_BINARY(Op)                      \
  {                                                       \
    SCOPED_TRACE(#Op);                                    \
    this->template expect_binary_variants<kernels::Op>(); \
  }
    SWITCHYARD_BINARY_OPS(SWITCHYARD_EXPECT_BINARY)}

TYPED_TEST(CudaElementwise, ResultsMayReplaceAnOperand) {
  const std::vector<TypeParam> b = numbers<TypeParam>(33, 4);
  std::vector<TypeParam> x = numbers<TypeParam>(33 * 31, 5);
  std::vector<TypeParam> want;
  for (std::size_t i = 0; i < x.size(); ++i) want.push_back(x[i] * b[i % 33] * (x[i] * b[i % 33]));
  kernels::map_binary(this->simt_, kernels::Mul{}, x.data(), b.data(), x.data(),
                      kernels::plan_broadcast(Sizes{31, 33}, Sizes{31, 33}, Sizes{33}));
  kernels::map_unary(this->simt_, kernels::Square{}, x.data(), x.data(), 33 * 31);
  EXPECT_EQ(x, want);
}

TYPED_TEST(CudaElementwise, NaNGoesInAndComesOut) {
  const std::vector<TypeParam> x(5, std::numeric_limits<TypeParam>::quiet_NaN());
  for (const auto& variant : kernels::map_unary_ladder<Simt, kernels::Relu, TypeParam>()) {
    std::vector<TypeParam> y(5, TypeParam{0});
    variant.run(this->simt_, {}, x.data(), y.data(), 5);
    for (const TypeParam value : y) EXPECT_TRUE(std::isnan(value)) << variant.name;
  }
}

TYPED_TEST(CudaElementwise, VariantsRefuseWhatTheyCannotDo) {
  std::vector<TypeParam> x(20, TypeParam{1});
  const BroadcastPlan equal = kernels::plan_broadcast(Sizes{8}, Sizes{8}, Sizes{8});
  const BroadcastPlan vector = kernels::plan_broadcast(Sizes{2, 4}, Sizes{2, 4}, Sizes{4});
  const auto ladder = kernels::map_binary_ladder<Simt, kernels::Add, TypeParam>();
  const auto refused = [&](std::size_t rung, const BroadcastPlan& plan, std::int64_t shift) {
    expect_error<std::invalid_argument>(
        [&] { ladder[rung].run(this->simt_, {}, x.data() + shift, x.data(), x.data() + 8, plan); },
        fmt::format("[{}] needs {}", ladder[rung].name, ladder[rung].needs));
  };
  refused(2, equal, 0);
  refused(3, vector, 0);
  refused(4, vector, 0);
  refused(4, equal, 1);
  expect_error<std::invalid_argument>(
      [&] {
        kernels::map_unary_ladder<Simt, kernels::Exp, TypeParam>().back().run(
            this->simt_, {}, x.data() + 1, x.data(), 8);
      },
      "[map_unary_wide] needs pointers 16-byte aligned");
}

TYPED_TEST(CudaElementwise, MoreElementsThanAGridCoversAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  const TypeParam* const nothing = nullptr;
  TypeParam* const nowhere = nullptr;
  for (const auto& variant : kernels::map_unary_ladder<Simt, kernels::Exp, TypeParam>()) {
    expect_error<std::invalid_argument>(
        [&] { variant.run(this->simt_, {}, nothing, nowhere, kMany); },
        fmt::format("[{}] blocks of ", variant.name));
  }
  const BroadcastPlan one = kernels::plan_broadcast(Sizes{kMany}, Sizes{kMany}, Sizes{1});
  const BroadcastPlan two = kernels::plan_broadcast(Sizes{kMany, 3}, Sizes{kMany, 3}, Sizes{3});
  for (const auto& variant : kernels::map_binary_ladder<Simt, kernels::Add, TypeParam>()) {
    const BroadcastPlan& plan = this->rank_needed(variant.name, 1) == 2 ? two : one;
    expect_error<std::invalid_argument>(
        [&] { variant.run(this->simt_, {}, nothing, nothing, nowhere, plan); },
        variant.name == "map_binary_divided" ? "[map_binary_divided] elements of "
                                             : fmt::format("[{}] blocks of ", variant.name));
  }
}

}  // namespace
}  // namespace switchyard::test
