// Puts every operation's case (engine/ops/cases) through the same checks: derivatives of first and
// second order, the composed form, float32 against float64, empty tensors.

#include <gtest/gtest.h>

#include <set>

#include "engine/autograd/node.h"
#include "engine/ops/cases.h"
#include "tests/support/tensors.h"

namespace switchyard {

void PrintTo(const OpCase& op, std::ostream* out) { *out << op.name; }  // for GoogleTest

namespace test {
namespace {

class OpCases : public testing::TestWithParam<OpCase> {
 protected:
  OpSample sample(std::int64_t size) const {
    CaseSource source{Generator(static_cast<std::uint64_t>(size) + 17)};
    return GetParam().sample(size, source);
  }
  std::vector<std::int64_t> sizes(std::vector<std::int64_t> wanted) const {
    std::erase_if(wanted, [](std::int64_t size) { return size < GetParam().smallest; });
    return wanted;
  }
};

std::vector<Tensor> converted(const std::vector<Tensor>& tensors, DType dtype) {
  std::vector<Tensor> result;
  for (const Tensor& tensor : tensors) result.push_back(tensor.to(dtype));
  return result;
}

void expect_derivatives(const OpSample& sample, int order) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const GradcheckResult result =
        gradcheck(sample.function, sample.inputs, {.order = order, .seed = seed});
    EXPECT_LE(result.error, 1e-8) << "order " << order << ", " << result.worst;
  }
}

TEST_P(OpCases, FirstDerivativeMatchesFiniteDifferences) {
  for (std::int64_t size : sizes({0, 1, 3, 7})) {
    SCOPED_TRACE(size);
    expect_derivatives(sample(size), 1);
  }
}

TEST_P(OpCases, SecondDerivativeMatchesFiniteDifferences) {
  for (std::int64_t size : sizes({0, 1, 3, 7})) {
    SCOPED_TRACE(size);
    expect_derivatives(sample(size), 2);
  }
}

/// Operations that own a composed form.
class ComposedOpCases : public OpCases {};

std::vector<OpCase> composed_op_cases() {
  std::vector<OpCase> cases = op_cases();
  std::erase_if(cases, [](const OpCase& op) {
    CaseSource source{Generator(1)};
    return !op.sample(3, source).composed;
  });
  return cases;
}

TEST_P(ComposedOpCases, AgreesWithComposedForm) {
  for (std::int64_t size : sizes({1, 31, 33, 127})) {
    SCOPED_TRACE(size);
    const OpSample s = sample(size);
    expect_close(s.function(s.inputs), s.composed(s.inputs), tolerance(DType::kFloat64));
  }
}

TEST_P(OpCases, Float32AgreesWithFloat64) {
  for (std::int64_t size : sizes({0, 1, 31, 33, 127})) {
    SCOPED_TRACE(size);
    const OpSample s = sample(size);
    const std::vector<Tensor> rounded = converted(s.inputs, DType::kFloat32);
    poison_free_memory();
    const Tensor y = s.function(rounded);
    EXPECT_EQ(y.dtype(), DType::kFloat32);
    expect_close(y, s.function(converted(rounded, DType::kFloat64)), tolerance(DType::kFloat32));
  }
}

TEST_P(OpCases, SameBitsEveryRunAndWithoutHistory) {
  const OpSample s = sample(sizes({127})[0]);
  const Tensor y = s.function(s.inputs);
  poison_free_memory();
  std::vector<Tensor> leaves = s.inputs;
  for (Tensor& leaf : leaves) leaf = leaf.detach().set_requires_grad();
  const Tensor recorded = s.function(leaves);
  EXPECT_TRUE(recorded.requires_grad());
  expect_same_bits(recorded, y);
  const NoGrad off;
  EXPECT_FALSE(s.function(leaves).requires_grad());
}

INSTANTIATE_TEST_SUITE_P(Ops, OpCases, testing::ValuesIn(op_cases()),
                         [](const auto& param) { return param.param.name; });

INSTANTIATE_TEST_SUITE_P(Ops, ComposedOpCases, testing::ValuesIn(composed_op_cases()),
                         [](const auto& param) { return param.param.name; });

TEST(OpCaseList, NamesAreUnique) {
  std::set<std::string> names;
  for (const OpCase& op : op_cases()) EXPECT_TRUE(names.insert(op.name).second) << op.name;
}

}  // namespace
}  // namespace test
}  // namespace switchyard
