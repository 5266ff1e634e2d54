#include "kernels/api/elementwise.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

// What the workbench's cases of the maps do not say: results in place, NaN, what is refused.

namespace switchyard::test {
namespace {

using kernels::BroadcastPlan;
using kernels::Simt;
using Sizes = std::vector<std::int64_t>;

template <class T>
class CudaElementwise : public testing::Test {
 protected:
  static int rank_needed(std::string_view variant, int any) {
    if (variant == "map_binary_last_axis") return 2;
    return variant.starts_with("map_binary_one_axis") ? 1 : any;
  }

  Simt simt_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaElementwise, RealTypes);

TYPED_TEST(CudaElementwise, ResultsMayReplaceAnOperand) {
  const Tensor source = random_tensor({31 * 33}, 1, kDTypeOf<TypeParam>);
  const std::vector<TypeParam> x(source.data<TypeParam>(), source.data<TypeParam>() + 31 * 33);
  const BroadcastPlan one = kernels::plan_broadcast(Sizes{1023}, Sizes{1023}, Sizes{1});
  const BroadcastPlan two = kernels::plan_broadcast(Sizes{31, 33}, Sizes{31, 33}, Sizes{33});
  for (const auto& variant : kernels::map_binary_ladder<Simt, kernels::Sub, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    const std::size_t period = this->rank_needed(variant.name, 2) == 1 ? 1 : 33;
    const std::vector<TypeParam> b(x.rbegin(), x.rbegin() + 33);
    std::vector<TypeParam> want;
    for (std::size_t i = 0; i < x.size(); ++i) want.push_back(x[i] - b[i % period]);
    std::vector<TypeParam> y = x;
    variant.run(this->simt_, {}, y.data(), b.data(), y.data(), period == 1 ? one : two);
    EXPECT_EQ(y, want);
  }
  for (const auto& variant : kernels::map_unary_ladder<Simt, kernels::Square, TypeParam>()) {
    std::vector<TypeParam> want;
    for (const TypeParam value : x) want.push_back(value * value);
    std::vector<TypeParam> y = x;
    variant.run(this->simt_, {}, y.data(), y.data(), 31 * 33);
    EXPECT_EQ(y, want) << variant.name;
  }
}

template <class T, class Op>
void expect_nan(Simt& simt) {
  const std::vector<T> x(5, std::numeric_limits<T>::quiet_NaN());
  for (const auto& variant : kernels::map_unary_ladder<Simt, Op, T>()) {
    std::vector<T> y(5, T{0});
    variant.run(simt, {}, x.data(), y.data(), 5);
    for (const T value : y) EXPECT_TRUE(std::isnan(value)) << variant.name;
  }
}
TYPED_TEST(CudaElementwise, NaNGoesInAndComesOut){
#define SWITCHYARD_EXPECT_NAN(Op)                    \
  {                                                  \
    SCOPED_TRACE(#Op);                               \
    expect_nan<TypeParam, kernels::Op>(this->simt_); \
  }
    SWITCHYARD_UNARY_OPS(SWITCHYARD_EXPECT_NAN)}

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
