#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace switchyard {

/// What the runs of a study say of a published claim.
enum class Finding { kSupports, kContradicts, kCannotTell };

std::string finding_text(Finding finding);  ///< "supports", "contradicts", "cannot tell"

/// How two models are set side by side.
enum class Scale {
  kDifference,  ///< a - b
  kRatio        ///< a / b: estimated on the logarithms, so the mean is the geometric one
};

/// One quantity of a model beside the same quantity of another, run by run with the same seed, or
/// (with an empty `baseline`) on its own.
struct Comparison {
  std::string quantity;  ///< "accuracy on test images"
  std::string model, baseline;
  std::string setting;  ///< which options of the published code the model was trained with
  Scale scale = Scale::kDifference;
  std::optional<double> published;  ///< the paper's figure on the same scale
  std::vector<std::uint64_t> seeds;
  std::vector<double> values;  ///< a value per seed, on the scale
  /// The mean over seeds and its confidence interval, on the scale. Absent where `reason` says why.
  std::optional<double> mean, low, high, p_value;
  double level = 0.0;
  Finding finding = Finding::kCannotTell;
  std::string reason;  ///< why there is no better answer, "" where there is one
};

/// A claim of the paper with all that bears on it.
struct Verdict {
  std::string claim;      ///< its name in files: "accuracy_gain"
  std::string statement;  ///< what is claimed
  std::string rule;       ///< when the runs support it and when they contradict it
  std::vector<Comparison> comparisons;
  Finding finding = Finding::kCannotTell;
};

/// What a confidence interval from low to high says of a claim. Both are on the comparison's scale.
using Rule = std::function<Finding(double low, double high)>;

/// Supports where the whole interval is above `none` (0 of a difference, 1 of a ratio); contradicts
/// where it is below `least`, the smallest effect that would still bear the claim out.
Rule larger(double none, double least);
/// Supports where the whole interval lies between low and high (equivalence: two one-sided tests),
/// contradicts where it lies outside of them.
Rule alike(double margin_low, double margin_high);
/// Supports where the interval does not hold `none`, contradicts where it lies within the margin.
Rule different(double none, double margin_low, double margin_high);

/// Why a comparison's values are no numbers to compare, "" where they are: one is not finite or, on
/// the ratio's scale, not positive.
std::string value_problem(const Comparison& comparison);

/// Fills in mean, interval and finding from `values`. With fewer than two values, or one that is
/// not finite (on the ratio's scale: not positive), the comparison cannot tell, and says why.
void decide(Comparison& comparison, const Rule& rule, double level);

/// A claim about several models holds where it holds for each: supported if every comparison
/// supports it, contradicted if one contradicts it.
Finding joint_finding(std::span<const Finding> findings);
Finding joint_finding(std::span<const Comparison> comparisons);

/// The fields of one comparison, and the array `verdicts` of a report's data;
/// docs/design/verdicts.md has the fields.
nlohmann::json to_json(const Comparison& comparison);
nlohmann::json verdicts_json(std::span<const Verdict> verdicts);

}  // namespace switchyard
