#include "kernels/api/elementwise.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

// Checks what the workbench's cases of the maps do not say: results in place, NaN, what is refused.

namespace switchyard::test {
namespace {

using kernels::BroadcastPlan;
using kernels::MapBinary;
using kernels::MapUnary;
using kernels::Refusal;
using kernels::Simt;
using Sizes = std::vector<std::int64_t>;

template <class T>
class CudaElementwise : public testing::Test {
 protected:
  static int rank_needed(std::string_view rung, int any) {
    if (rung == "map_binary_last_axis") return 2;
    return rung.starts_with("map_binary_one_axis") ? 1 : any;
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
  for (const auto& rung : kernels::ladder<Simt, MapBinary<kernels::Sub, TypeParam>>()) {
    SCOPED_TRACE(rung.name);
    const std::size_t period = this->rank_needed(rung.name, 2) == 1 ? 1 : 33;
    const std::vector<TypeParam> b(x.rbegin(), x.rbegin() + 33);
    std::vector<TypeParam> want;
    for (std::size_t i = 0; i < x.size(); ++i) want.push_back(x[i] - b[i % period]);
    std::vector<TypeParam> y = x;
    run_rung(this->simt_, rung,
             MapBinary<kernels::Sub, TypeParam>{
                 .a = y.data(), .b = b.data(), .y = y.data(), .plan = period == 1 ? one : two});
    EXPECT_EQ(y, want);
  }
  for (const auto& rung : kernels::ladder<Simt, MapUnary<kernels::Square, TypeParam>>()) {
    std::vector<TypeParam> want;
    for (const TypeParam value : x) want.push_back(value * value);
    std::vector<TypeParam> y = x;
    run_rung(this->simt_, rung,
             MapUnary<kernels::Square, TypeParam>{.x = y.data(), .y = y.data(), .count = 31 * 33});
    EXPECT_EQ(y, want) << rung.name;
  }
}

template <class T, class Functor>
void expect_nan(Simt& simt) {
  const std::vector<T> x(5, std::numeric_limits<T>::quiet_NaN());
  for (const auto& rung : kernels::ladder<Simt, MapUnary<Functor, T>>()) {
    std::vector<T> y(5, T{0});
    run_rung(simt, rung, MapUnary<Functor, T>{.x = x.data(), .y = y.data(), .count = 5});
    for (const T value : y) EXPECT_TRUE(std::isnan(value)) << rung.name;
  }
}
template <class T, class... Functors>
void expect_nan_of_each(Simt& simt, kernels::TypeList<Functors...>) {
  const auto expect = [&]<class Functor>(Functor) {
    SCOPED_TRACE(Functor::kName);
    expect_nan<T, Functor>(simt);
  };
  (expect(Functors{}), ...);
}
TYPED_TEST(CudaElementwise, NaNGoesInAndComesOut) {
  expect_nan_of_each<TypeParam>(this->simt_, kernels::UnaryFunctors{});
}

TYPED_TEST(CudaElementwise, RungsRefuseWhatTheyCannotDo) {
  using Sum = MapBinary<kernels::Add, TypeParam>;
  std::vector<TypeParam> x(20, TypeParam{1});
  const BroadcastPlan equal = kernels::plan_broadcast(Sizes{8}, Sizes{8}, Sizes{8});
  const BroadcastPlan vector = kernels::plan_broadcast(Sizes{2, 4}, Sizes{2, 4}, Sizes{4});
  const auto ladder = kernels::ladder<Simt, Sum>();
  const auto refused = [&](std::size_t rung, const BroadcastPlan& plan, std::int64_t shift) {
    expect_error<Refusal>(
        [&] {
          run_rung(this->simt_, ladder[rung],
                   Sum{.a = x.data() + shift, .b = x.data(), .y = x.data() + 8, .plan = plan});
        },
        fmt::format("[{}] needs {}", ladder[rung].name, ladder[rung].takes.text));
  };
  refused(2, equal, 0);
  refused(3, vector, 0);
  refused(4, vector, 0);
  refused(4, equal, 1);
  expect_error<Refusal>(
      [&] {
        run_rung(this->simt_, "map_unary_wide",
                 MapUnary<kernels::Exp, TypeParam>{.x = x.data() + 1, .y = x.data(), .count = 8});
      },
      "[map_unary_wide] needs pointers 16-byte aligned");
}

TYPED_TEST(CudaElementwise, MoreElementsThanAGridCoversAreRefusedBeforeTheLaunch) {
  using Exponential = MapUnary<kernels::Exp, TypeParam>;
  using Sum = MapBinary<kernels::Add, TypeParam>;
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  for (const auto& rung : kernels::ladder<Simt, Exponential>()) {
    expect_error<Refusal>([&] { run_rung(this->simt_, rung, Exponential{.count = kMany}); },
                          fmt::format("[{}] blocks of ", rung.name));
  }
  const BroadcastPlan one = kernels::plan_broadcast(Sizes{kMany}, Sizes{kMany}, Sizes{1});
  const BroadcastPlan two = kernels::plan_broadcast(Sizes{kMany, 3}, Sizes{kMany, 3}, Sizes{3});
  for (const auto& rung : kernels::ladder<Simt, Sum>()) {
    const BroadcastPlan& plan = this->rank_needed(rung.name, 1) == 2 ? two : one;
    expect_error<Refusal>([&] { run_rung(this->simt_, rung, Sum{.plan = plan}); },
                          rung.name == "map_binary_divided"
                              ? "[map_binary_divided] needs fewer than 2^31 elements"
                              : fmt::format("[{}] blocks of ", rung.name));
  }
}

}  // namespace
}  // namespace switchyard::test
