#include "analysis/curvature/product_journal.h"

#include <gtest/gtest.h>

#include "analysis/curvature/eigenpairs.h"
#include "analysis/curvature/hutchinson.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/curvature/grouped_operator.h"
#include "tests/analysis/curvature/matrix_operator.h"
#include "tests/support/expect_error.h"

namespace switchyard {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

Operator grouped() {
  std::vector<MatrixXd> groups;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    groups.push_back(matrix_with_spectrum(VectorXd::LinSpaced(24, -1.0, 1.0 + seed), seed));
  }
  return std::make_shared<GroupedOperator>(groups);
}

/// What a measurement says to the last bit: values, residuals and error bars of several estimators.
std::vector<double> measure(SymmetricOperator& a, int products) {
  int seen = 0;
  const Watch watch = [&](const EstimateSoFar&) { return ++seen < products; };
  const EigenpairResult pairs =
      eigenpairs(a, Generator(1), {.count = 2, .tolerance = 1e-8, .watch = watch});
  const TraceEstimate trace = hutchinson_trace(a, Generator(2), {.samples = 9, .watch = watch});
  std::vector<double> numbers = {trace.mean, trace.error.total_half_width()};
  for (const EigenPair& pair : pairs.pairs) {
    numbers.insert(numbers.end(), {pair.value, pair.residual, pair.error.total_half_width()});
  }
  return numbers;
}

TEST(ProductJournal, GoesOnBitForBitWhereAMeasurementStopped) {
  const TemporaryDirectory scratch;
  const Operator plain = grouped();
  const std::vector<double> expected = measure(*plain, 1000);
  for (const int stop : {3, 7}) {
    ProductJournal journal(grouped(), scratch.path() / "state");
    EXPECT_NE(measure(journal, stop), expected);
    EXPECT_GT(journal.computed(), 0);
  }
  ProductJournal last(grouped(), scratch.path() / "state");
  EXPECT_EQ(measure(last, 1000), expected);
  EXPECT_GE(last.read(), 7);
  EXPECT_GT(last.computed(), 0);
  ProductJournal again(grouped(), scratch.path() / "state");
  EXPECT_EQ(measure(again, 1000), expected);
  EXPECT_EQ(again.computed(), 0);
}

TEST(ProductJournal, KeepsBlocksOfVectors) {
  const TemporaryDirectory scratch;
  const Operator a = grouped();
  std::vector<ParameterVector> block;
  for (Eigen::Index i = 0; i < 3; ++i) {
    block.push_back(unflatten(VectorXd::Unit(24, i), a->like()));
  }
  ProductJournal first(a, scratch.path());
  const Products computed = first.apply_block(block);
  ProductJournal second(a, scratch.path());
  const Products read = second.apply_block(block);
  EXPECT_EQ(second.read(), 3);
  EXPECT_EQ(read.forms, computed.forms);
  for (std::size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(flatten(read.vectors[j]), flatten(computed.vectors[j]));
  }
}

TEST(ProductJournal, SaysWhereAFileIsOfAnotherOperator) {
  const TemporaryDirectory scratch;
  ProductJournal wide(std::make_shared<MatrixOperator>(MatrixXd::Identity(6, 6)), scratch.path());
  const std::vector<ParameterVector> block = {unflatten(VectorXd::Zero(6), wide.like())};
  wide.apply_block(block);
  ProductJournal other(std::make_shared<GroupedOperator>(std::vector{MatrixXd(3, 3)}),
                       scratch.path());
  test::expect_error([&] { other.apply_block(block); },
                     "the tensor 0.0 is float64 [3, 1], expected float64 [3]");
}

}  // namespace
}  // namespace switchyard
