// The workbench finds what it is there to find: kernels that are wrong on purpose.

#include "kernels/workbench/run_case.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels/api/error.h"

namespace switchyard::kernels::workbench {
namespace {

const Sizes kSizes(std::vector<SizeParameter>{{"count", 5}});

/// y = 2 x on `count` elements, and an index array 0, 1, 2, ...
Problem doubling() {
  Problem p(1);
  const Numbers& x = p.normal<float>({5});
  Expected& y = p.result<float>({5});
  for (std::size_t i = 0; i < 5; ++i) y[i] = 2.0 * x[i];
  Expected& order = p.result<std::int64_t>({5});
  for (std::size_t i = 0; i < 5; ++i) order[i] = static_cast<double>(i);
  p.lowest(7);
  return p;
}

using Kernel = std::function<void(const float* x, float* y, std::int64_t* order)>;

void correct(const float* x, float* y, std::int64_t* order) {
  for (int i = 0; i < 5; ++i) y[i] = 2.0F * x[i];
  for (int i = 0; i < 5; ++i) order[i] = i;
}

/// `bad_row` is what the kernel reports.
Outcome outcome_of(const Kernel& kernel, LowestNumber bad_row = 7, const std::string& needs = "",
                   std::int64_t shift = 0) {
  const Implementation implementation = {.device = "cpu",
                                         .variant = "variant",
                                         .needs = needs,
                                         .tolerance = 1e-5,
                                         .run = [&](Device&, const Sizes&, Arguments& p) {
                                           kernel(p.at<const float>(0), p.at<float>(1),
                                                  p.at<std::int64_t>(2));
                                           *p.lowest(3) = bad_row;
                                         }};
  return run_case(*open_device("cpu"), implementation, kSizes, doubling(), {.shift = shift});
}

void expect_wrong(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.status, Outcome::Status::kDisagrees);
  EXPECT_NE(outcome.reason.find(part), std::string::npos) << outcome.reason;
}

TEST(RunCase, ACorrectKernelAgreesAlignedAndNot) {
  for (const std::int64_t shift : {0, 1}) {
    const Outcome outcome = outcome_of(correct, 7, "", shift);
    EXPECT_EQ(outcome.status, Outcome::Status::kAgrees) << outcome.reason;
    EXPECT_LE(outcome.error, 1e-7);
  }
}

TEST(RunCase, ShiftedOperandsAreNotAligned) {
  for (const std::int64_t shift : {0, 1}) {
    outcome_of(
        [&](const float* x, float* y, std::int64_t* order) {
          for (const void* pointer : {static_cast<const void*>(x), static_cast<const void*>(y)}) {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pointer) % 16, shift > 0 ? 4U : 0U);
          }
          correct(x, y, order);
        },
        7, "", shift);
  }
}

TEST(RunCase, AWrongElementIsNamed) {
  const Outcome outcome = outcome_of([](const float* x, float* y, std::int64_t* order) {
    correct(x, y, order);
    y[3] = 100.0F;
  });
  expect_wrong(outcome, "result 1: element 3 is 100 instead of ");
  EXPECT_GT(outcome.error, 1.0);
}

TEST(RunCase, AnElementThatIsNotWrittenIsFound) {
  const Outcome outcome = outcome_of([](const float* x, float* y, std::int64_t* order) {
    const float kept = y[2];
    correct(x, y, order);
    y[2] = kept;
  });
  expect_wrong(outcome, "element 2 is nan");
  EXPECT_TRUE(std::isnan(outcome.error));
  expect_wrong(outcome_of([](const float* x, float* y, std::int64_t* order) {
                 const std::int64_t kept = order[4];
                 correct(x, y, order);
                 order[4] = kept;
               }),
               "result 2: element 4 is ");
}

TEST(RunCase, IndicesHaveNoTolerance) {
  expect_wrong(outcome_of([](const float* x, float* y, std::int64_t* order) {
                 correct(x, y, order);
                 std::swap(order[0], order[1]);
               }),
               "result 2: element 0 is 1 instead of 0");
}

TEST(RunCase, WritesOutsideAreFoundOnBothSides) {
  for (const int at : {-1, 5}) {
    expect_wrong(outcome_of([&](const float* x, float* y, std::int64_t* order) {
                   correct(x, y, order);
                   y[at] = 0.0F;
                 }),
                 "result 1: written outside its bounds");
  }
}

TEST(RunCase, AWrongReportIsFound) {
  expect_wrong(outcome_of(correct, 8), "result 3: element 0 is 8 instead of 7");
}

TEST(RunCase, OnlyAVariantThatNeedsSomethingMayRefuse) {
  const auto refuse = [](const float*, float*, std::int64_t*) {
    throw Refusal("[variant] needs more");
  };
  EXPECT_EQ(outcome_of(refuse, 7, "more").status, Outcome::Status::kRefused);
  const auto fail = [](const float*, float*, std::int64_t*) {
    throw std::invalid_argument("a size is negative");  // any error but a refusal
  };
  EXPECT_EQ(outcome_of(fail, 7, "more").status, Outcome::Status::kFailed);
  EXPECT_EQ(outcome_of(refuse).status, Outcome::Status::kFailed);
  const Outcome failed = outcome_of(
      [](const float*, float*, std::int64_t*) { throw std::runtime_error("[variant] deadlock"); });
  EXPECT_EQ(failed.status, Outcome::Status::kFailed);
  EXPECT_EQ(failed.reason, "[variant] deadlock");
}

TEST(RunCase, OtherBitsInASecondRunAreFound) {
  int runs = 0;
  const Implementation implementation = {.device = "cpu",
                                         .variant = "variant",
                                         .needs = "",
                                         .tolerance = 1e-5,
                                         .run = [&](Device&, const Sizes&, Arguments& p) {
                                           correct(p.at<const float>(0), p.at<float>(1),
                                                   p.at<std::int64_t>(2));
                                           if (++runs == 2) p.at<float>(1)[0] *= 1.0F + 1e-6F;
                                           *p.lowest(3) = 7;
                                         }};
  expect_wrong(run_case(*open_device("cpu"), implementation, kSizes, doubling(), {.twice = true}),
               "other bits in a second run");
}

TEST(RelativeError, MeasuresAgainstTheResultOrAShareOfWhatCancelled) {
  EXPECT_EQ(relative_error(Numbers{3, 4}, {3, 4}, 0.0), 0.0);
  EXPECT_EQ(relative_error(Numbers{}, {}, 0.0), 0.0);
  EXPECT_DOUBLE_EQ(relative_error(Numbers{3, 5}, {3, 4}, 0.5), 0.2);
  EXPECT_DOUBLE_EQ(relative_error(Numbers{1}, {{0, 20}}, 0.5), 0.1);
  EXPECT_DOUBLE_EQ(relative_error(Numbers{3, 1}, {{3, 3}, {0, 8}}, 0.5), 0.2);
  EXPECT_EQ(relative_error(Numbers{1}, {0}, 0.5), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(relative_error(Numbers{std::nan("")}, {1}, 0.5)));
}

TEST(Measured, CarriesTheMagnitudeOfItsTermsAlong) {
  const auto expect = [](const Measured& got, double value, double magnitude) {
    EXPECT_DOUBLE_EQ(got.value, value);
    EXPECT_DOUBLE_EQ(got.magnitude, magnitude);
  };
  const Measured difference = Measured(5.0) - 4.5;  // 0.5 out of 9.5
  expect(difference, 0.5, 9.5);
  expect(-difference / 2.0, -0.25, 4.75);
  expect(Measured(-2.0) * 3.0, -6.0, 6.0);
  expect(difference * -2.0, -1.0, 19.0);
  Measured sum;
  for (const double term : {1.0, -3.0, 2.0}) sum += term;
  expect(sum, 0.0, 6.0);
}

TEST(Devices, ThoseThatAreNotThereSayWhy) {
  EXPECT_EQ(unavailable_reason("cpu"), "");
  EXPECT_NE(unavailable_reason("tpu"), "");
  EXPECT_THROW(open_device("tpu"), std::invalid_argument);
  if (unavailable_reason("cuda").empty()) return;
  EXPECT_THROW(open_device("cuda"), std::runtime_error);
}

}  // namespace
}  // namespace switchyard::kernels::workbench
