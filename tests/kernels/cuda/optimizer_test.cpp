#include "kernels/api/optimizer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Refusal;
using kernels::SgdParameter;
using kernels::SgdStep;
using kernels::SgdStepMany;
using kernels::Simt;

constexpr double kRate = 0.1, kMomentum = 0.9, kDecay = 0.05;

/// One parameter's arrays on random data, and what a step must make of them. `shift` elements
/// before each array: 1 takes its 16-byte alignment away.
template <class T>
class Parameter {
 public:
  Parameter(std::int64_t count, std::uint64_t seed, std::int64_t shift = 0)
      : count_(count), shift_(shift), w_(count + shift), m_(count + shift) {
    const auto w = random_tensor({count}, seed, kDTypeOf<T>).to_doubles();
    const auto g = random_tensor({count}, seed + 1000, kDTypeOf<T>).to_doubles();
    const auto m = random_tensor({count}, seed + 2000, kDTypeOf<T>).to_doubles();
    g_.assign(static_cast<std::size_t>(shift), T{0});
    for (std::size_t i = 0; i < w.size(); ++i) {
      g_.push_back(static_cast<T>(g[i]));
      w_.data()[shift + static_cast<std::int64_t>(i)] = static_cast<T>(w[i]);
      m_.data()[shift + static_cast<std::int64_t>(i)] = static_cast<T>(m[i]);
      expected_m_.push_back(kMomentum * m[i] + (g[i] + kDecay * w[i]));
      expected_w_.push_back(w[i] - kRate * expected_m_.back());
    }
  }

  SgdParameter<T> view() {
    return {count_, w_.data() + shift_, g_.data() + shift_, m_.data() + shift_};
  }
  void expect_stepped() {
    EXPECT_LE(relative_error(after_shift(w_), expected_w_), tolerance(kDTypeOf<T>));
    EXPECT_LE(relative_error(after_shift(m_), expected_m_), tolerance(kDTypeOf<T>));
  }

 private:
  std::vector<double> after_shift(GuardedBuffer<T>& buffer) const {
    const std::vector<double> all = buffer.values();
    return {all.begin() + shift_, all.end()};
  }

  std::int64_t count_, shift_;
  GuardedBuffer<T> w_, m_;
  std::vector<T> g_;
  std::vector<double> expected_w_, expected_m_;
};

template <class T>
using Parameters = std::vector<std::unique_ptr<Parameter<T>>>;

/// Many small parameters with empty, unaligned and large ones between: more than one launch takes.
template <class T>
Parameters<T> mixed_parameters() {
  Parameters<T> parameters;
  for (std::uint64_t i = 0; i < 250; ++i) {
    const std::int64_t count = i == 40 ? 9001 : i == 108 ? 4096 : static_cast<std::int64_t>(i % 67);
    parameters.push_back(std::make_unique<Parameter<T>>(count, i, i % 3 == 0 ? 1 : 0));
  }
  return parameters;
}

template <class T>
std::vector<SgdParameter<T>> views(const Parameters<T>& parameters) {
  std::vector<SgdParameter<T>> list;
  for (const auto& parameter : parameters) list.push_back(parameter->view());
  return list;
}

template <class T>
class CudaOptimizer : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaOptimizer, RealTypes);

TYPED_TEST(CudaOptimizer, WideRungRefusesWhatIsNotAligned) {
  Parameter<TypeParam> parameter(8, 1, 1);
  const SgdParameter<TypeParam> p = parameter.view();
  Simt simt;
  expect_error<Refusal>([&] { run_rung(simt, "sgd_wide", SgdStep<TypeParam>{.parameter = p}); },
                        "[sgd_wide] needs arrays 16-byte aligned");
}

/// Every rung on `Exec` over many parameters, and over none.
template <class T, class Exec>
void expect_many_stepped(Exec& exec) {
  for (const auto& rung : kernels::ladder<Exec, SgdStepMany<T>>()) {
    SCOPED_TRACE(rung.name);
    const Parameters<T> parameters = mixed_parameters<T>();
    const std::vector<SgdParameter<T>> list = views(parameters);
    SgdStepMany<T> step{.parameters = list, .rate = kRate, .momentum = kMomentum, .decay = kDecay};
    run_rung(exec, rung, step);
    for (const auto& parameter : parameters) parameter->expect_stepped();
    step.parameters = {};
    run_rung(exec, rung, step);
  }
}

TYPED_TEST(CudaOptimizer, EveryRungOverManyParametersFollowsTheFormula) {
  Simt simt;
  expect_many_stepped<TypeParam>(simt);
  kernels::Cpu cpu;
  expect_many_stepped<TypeParam>(cpu);
}

TYPED_TEST(CudaOptimizer, SizesOverTheGridAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  Simt simt;
  for (const auto& rung : kernels::ladder<Simt, SgdStep<TypeParam>>()) {
    expect_error<Refusal>(
        [&] { run_rung(simt, rung, SgdStep<TypeParam>{.parameter = {.count = kHuge}}); },
        "[" + std::string(rung.name) + "] blocks of ");
  }
  const std::vector<SgdParameter<TypeParam>> parameters = {{.count = kHuge}};
  expect_error<Refusal>([&] { run(simt, SgdStepMany<TypeParam>{.parameters = parameters}); },
                        "[sgd_many_one_launch] blocks of ");
}

}  // namespace
}  // namespace switchyard::test
