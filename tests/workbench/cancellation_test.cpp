// Checks results whose terms cancel: what a correct kernel may be off by follows from the terms,
// and a wrong kernel is found all the same.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/workbench/run_case.h"

namespace switchyard::kernels::workbench {
namespace {

const EntryPoint& entry_point(const std::string& name) {
  for (const Family& family : kernel_families()) {
    for (const EntryPoint& entry : family.entry_points) {
      if (entry.name == name) return entry;
    }
  }
  throw std::invalid_argument("no entry point " + name);
}

/// Problems of a few elements: with so few terms, results that cancel are common.
const std::vector<std::pair<std::string, std::vector<std::int64_t>>> kSmall = {
    {"batch_norm_forward", {1, 1, 0, 0}},
    {"batch_norm_forward", {1, 4, 1, 1}},
    {"batch_norm_forward", {2, 5, 0, 1}},
    {"batch_norm_backward", {1, 1, 0, 0}},
    {"batch_norm_backward", {2, 1, 0, 0}},
    {"batch_norm_backward", {2, 1, 1, 1}},
    {"batch_norm_backward", {3, 4, 0, 0}},
    {"softmax_forward", {1, 2}},
    {"softmax_backward", {1, 1}},
    {"softmax_backward", {1, 2}},
    {"softmax_double_backward", {1, 1}},
    {"softmax_double_backward", {1, 2}},
    {"log_softmax_forward", {1, 2}},
    {"log_softmax_backward", {1, 1}},
    {"log_softmax_backward", {1, 2}},
    {"cross_entropy_forward", {1, 1}},
    {"cross_entropy_forward", {1, 2}},
    {"cross_entropy_backward", {1, 1}},
    {"cross_entropy_backward", {1, 2}},
    {"sgd_step", {1}},
    {"sgd_step_many", {1, 1}},
    {"sgd_step_many", {3, 1}},
    {"affine", {1}},
    {"channel_affine", {1, 1, 0, 1, 1}},
    {"matmul", {1, 1, 2, 0, 0, 0, 0}},
    {"matmul", {1, 1, 33, 0, 0, 0, 0}},
    {"matmul", {1, 1, 2, 0, 0, 0, 1}},
    {"gate_backward", {1, 2, 2, 0}},
    {"gate_backward", {1, 2, 1, 1}},
    {"grouped_matmul", {1, 1, 3, 1, 0, 0, 0}},
    {"grouped_matmul", {1, 1, 3, 1, 0, 0, 1}},
    {"global_average_pool", {1, 3, 1}},
    {"combine", {1, 2, 2, 1, 0, 1}},
    {"combine_weight_grad", {1, 1, 1, 3, 0, 1}},
    {"conv2d", {1, 1, 1, 3, 1, 1, 1, 1, 0}}};

/// Runs every implementation on the cpu and simt with 60 seeds each.
TEST(Cancellation, CorrectKernelsAgreeOnTheSmallestProblems) {
  for (const auto& [name, values] : kSmall) {
    const EntryPoint& entry = entry_point(name);
    const Sizes sizes(entry.parameters, values);
    for (const TypedEntryPoint& typed : entry.types) {
      for (const Implementation& implementation : typed.implementations) {
        if (implementation.device == "cuda") continue;
        const auto device = open_device(implementation.device);
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
          const Outcome outcome =
              run_case(*device, implementation, sizes, typed.problem(sizes, seed));
          if (outcome.status == Outcome::Status::kRefused) continue;
          ASSERT_EQ(outcome.status, Outcome::Status::kAgrees) << fmt::format(
              "{} {} {} on {}, {}, seed {}: error {:.3g}, allowed {:.3g}; {}", name,
              implementation.variant, workbench::name(typed.type), implementation.device,
              sizes.to_string(), seed, outcome.error, outcome.tolerance, outcome.reason);
        }
      }
    }
  }
}

/// Lets the right kernel compute and then moves every result array's first element by `relative`
/// of the magnitude of its terms.
Outcome outcome_with_error(const std::string& name, const std::vector<std::int64_t>& values,
                           std::size_t type, double relative) {
  const EntryPoint& entry = entry_point(name);
  const Sizes sizes(entry.parameters, values);
  const TypedEntryPoint& typed = entry.types[type];
  const Problem problem = typed.problem(sizes, 3);
  Implementation wrong = typed.implementations.front();  // the cpu's
  wrong.run = [&, right = wrong.run](Device& device, const Sizes& s, Arguments& arguments) {
    right(device, s, arguments);
    for (std::size_t i = 0; i < problem.arrays().size(); ++i) {
      const Array& array = problem.arrays()[i];
      if (!array.expected || array.expected->empty()) continue;
      const double off = relative * array.expected->front().magnitude;
      if (array.type == ElementType::kFloat32) *arguments.at<float>(i) += static_cast<float>(off);
      if (array.type == ElementType::kFloat64) *arguments.at<double>(i) += off;
    }
  };
  return run_case(*open_device("cpu"), wrong, sizes, problem);
}

TEST(Cancellation, WrongKernelsAreFoundOnTheSmallestProblems) {
  for (const auto& [name, values] : std::vector<std::pair<std::string, std::vector<std::int64_t>>>{
           {"batch_norm_forward", {1, 1, 0, 0}},
           {"batch_norm_backward", {2, 1, 0, 0}},
           {"batch_norm_backward", {1, 1, 0, 0}},
           {"softmax_backward", {1, 2}},
           {"log_softmax_backward", {1, 1}},
           {"sgd_step_many", {3, 1}}}) {
    EXPECT_EQ(outcome_with_error(name, values, 0, 0.0).status, Outcome::Status::kAgrees) << name;
    EXPECT_EQ(outcome_with_error(name, values, 0, 3e-5).status, Outcome::Status::kDisagrees)
        << name;
    EXPECT_EQ(outcome_with_error(name, values, 1, 3e-10).status, Outcome::Status::kDisagrees)
        << name;
  }
}

/// The gradient of a batch norm of two rows nearly cancels; a kernel that leaves out one of the
/// three terms is off by as much as the terms.
TEST(Cancellation, AMissingTermIsFound) {
  const EntryPoint& entry = entry_point("batch_norm_backward");
  const Sizes sizes(entry.parameters, {2, 1, 0, 0});
  const TypedEntryPoint& typed = entry.types.front();
  Implementation wrong = typed.implementations.front();
  wrong.run = [right = wrong.run](Device& device, const Sizes& s, Arguments& arguments) {
    right(device, s, arguments);
    const float* const gy = arguments.at<const float>(0);
    const float mean = (gy[0] + gy[1]) / 2.0F;
    for (int row = 0; row < 2; ++row) arguments.at<float>(6)[row] = gy[row] - mean;
  };
  const Outcome outcome = run_case(*open_device("cpu"), wrong, sizes, typed.problem(sizes, 1));
  EXPECT_EQ(outcome.status, Outcome::Status::kDisagrees);
  EXPECT_NE(outcome.reason.find("result 1: element"), std::string::npos) << outcome.reason;
}

}  // namespace
}  // namespace switchyard::kernels::workbench
