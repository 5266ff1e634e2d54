#pragma once

#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <string>
#include <vector>

namespace switchyard::labs {

/// What a lab's check prints: a line for each thing that it looked at.
class Report {
 public:
  /// "ok   what", or "BAD  what: otherwise" where it is not so.
  void expect(bool so, const std::string& what, const std::string& otherwise = {}) {
    solved_ = solved_ && so;
    fmt::print("{:<4} {}{}{}\n", so ? "ok" : "BAD", what, so || otherwise.empty() ? "" : ": ",
               so ? "" : otherwise);
  }
  bool solved() const { return solved_; }

 private:
  bool solved_ = true;
};

/// Runs `check`, which takes a Report&, and says how it ended: the exit code of a lab's program.
/// What the lab's code throws is one more thing that is not right yet.
template <class Check>
int run(const Check& check) {
  Report report;
  try {
    check(report);
  } catch (const std::exception& error) {
    report.expect(false, error.what());
  }
  fmt::print("{}\n", report.solved() ? "solved" : "not solved yet");
  return report.solved() ? 0 : 1;
}

/// "[0, nan, 2.5]", without the signs of zero and NaN, which differ between processors.
inline std::string text_of(const std::vector<double>& numbers) {
  std::string text;
  for (const double x : numbers) {
    text += text.empty() ? "" : ", ";
    text += std::isnan(x) ? "nan" : fmt::format("{:.3g}", x + 0.0);
  }
  return "[" + text + "]";
}

}  // namespace switchyard::labs
