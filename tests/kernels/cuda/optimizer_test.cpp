#include "kernels/api/optimizer.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::SgdParameter;
using kernels::SgdStep;
using kernels::Simt;

constexpr SgdStep kStep = {.rate = 0.1, .momentum = 0.9, .decay = 0.05};

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
      expected_m_.push_back(kStep.momentum * m[i] + (g[i] + kStep.decay * w[i]));
      expected_w_.push_back(w[i] - kStep.rate * expected_m_.back());
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

TYPED_TEST(CudaOptimizer, WideVariantRefusesWhatIsNotAligned) {
  Parameter<TypeParam> parameter(8, 1, 1);
  const SgdParameter<TypeParam> p = parameter.view();
  Simt simt;
  expect_error<std::invalid_argument>(
      [&] {
        kernels::sgd_step_ladder<Simt, TypeParam>().back().run(simt, p.count, p.w, p.g, p.m, kStep);
      },
      "[sgd_wide] needs w, g and m 16-byte aligned");
}

TYPED_TEST(CudaOptimizer, EveryVariantOverManyParametersMatchesPlainLoops) {
  for (const auto& variant : kernels::sgd_step_many_ladder<Simt, TypeParam>()) {
    SCOPED_TRACE(variant.name);
    const Parameters<TypeParam> parameters = mixed_parameters<TypeParam>();
    Simt simt;
    variant.run(simt, views(parameters), kStep);
    for (const auto& parameter : parameters) parameter->expect_stepped();
    variant.run(simt, {}, kStep);
  }
}

TYPED_TEST(CudaOptimizer, SizesOverTheGridAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  TypeParam* const nowhere = nullptr;
  Simt simt;
  for (const auto& variant : kernels::sgd_step_ladder<Simt, TypeParam>()) {
    expect_error<std::invalid_argument>(
        [&] { variant.run(simt, kHuge, nowhere, nowhere, nowhere, kStep); },
        "[" + std::string(variant.name) + "] blocks of ");
  }
  const std::vector<SgdParameter<TypeParam>> parameters = {{kHuge, nowhere, nowhere, nowhere}};
  expect_error<std::invalid_argument>(
      [&] { kernels::sgd_step_many<Simt, TypeParam>(simt, parameters, kStep); },
      "[sgd_many_one_launch] blocks of ");
}

}  // namespace
}  // namespace switchyard::test
