#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "kernels/workbench/run_case.h"

namespace switchyard {

/// Holds the result of one variant at one size.
struct CheckRow {
  std::string entry_point, variant, dtype;
  kernels::workbench::Sizes sizes;
  bool is_aligned = true;
  double flops = 0.0;  ///< 0: speed is counted in bytes
  double bytes = 0.0;
  kernels::workbench::Outcome outcome;
};

/// Prints the rows of `switchyard check` as they come, or with --json all of them at the end.
class CheckReport {
 public:
  explicit CheckReport(std::string device);

  void add(const CheckRow& row);
  /// A row of the odd sizes, which are printed one by one only where something is wrong.
  void add_odd(const CheckRow& row);
  /// Sums up the rows of add_odd since the last call: one variant, `count` sizes.
  void end_odd_sizes(std::size_t count);
  void finish();

  bool all_agree() const { return all_agree_; }
  bool some_ran() const { return some_ran_; }  ///< not all refused
  const std::string& first_refusal() const { return first_refusal_; }

 private:
  void note(const CheckRow& row);

  std::string device_;
  bool all_agree_ = true;
  bool some_ran_ = false;
  std::string first_refusal_;
  std::string heading_;  ///< entry point and sizes of the rows above
  nlohmann::json rows_ = nlohmann::json::array();

  struct Odd {
    std::optional<CheckRow> worst;  ///< of those that agree
    int agreed = 0, refused = 0, wrong = 0;
  } odd_;
};

}  // namespace switchyard
