#include "analysis/verdicts/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/verdicts/compare.h"
#include "analysis/verdicts/model_groups.h"
#include "analysis/verdicts/run_figures.h"
#include "analysis/verdicts/speed_claim.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// Of all comparisons of one claim together: each has its share of the 5 % (Bonferroni), so that a
/// claim with many comparisons is not decided by the luckiest.
constexpr double kClaimLevel = 0.95;

/// Two models are alike where the ratio of their figures lies between 1 / 1.25 and 1.25, the
/// convention of bioequivalence.
constexpr double kAlike = 1.25;

/// An expert that serves less than a tenth of an even share has collapsed.
constexpr double kCollapsed = 0.1;

/// A comparison to be made: the rule decides it once the claim's other comparisons are known.
struct Question {
  Comparison comparison;
  Rule rule;
};

/// Asks about a quantity of `group` beside `baseline`, or on its own where that is null. Nothing
/// where no seed has it.
std::vector<Question> ask(const ModelGroup& group, const ModelGroup* baseline, std::string quantity,
                          Scale scale, std::optional<double> published, const Figure& figure,
                          Rule rule) {
  auto comparison = compare(group, baseline, {std::move(quantity), scale, figure});
  if (!comparison) return {};
  comparison->published = published;
  return {{std::move(*comparison), std::move(rule)}};
}

void append(std::vector<Question>& questions, std::vector<Question> more) {
  std::ranges::move(more, std::back_inserter(questions));
}

Verdict judge(std::string claim, std::string statement, std::string rule,
              std::vector<Question> questions) {
  Verdict verdict{.claim = std::move(claim),
                  .statement = std::move(statement),
                  .rule = std::move(rule),
                  .comparisons = {}};
  const double level = 1.0 - (1.0 - kClaimLevel) / std::max<double>(1.0, questions.size());
  for (Question& question : questions) {
    decide(question.comparison, question.rule, level);
    verdict.comparisons.push_back(std::move(question.comparison));
  }
  verdict.finding = joint_finding(verdict.comparisons);
  return verdict;
}

/// What the paper reports of a head beside its dense one.
struct Published {
  double accuracy_gain;
  double eigenvalue_ratio, trace_ratio;  ///< on test images
};

/// Of heads as large as the published ones and routed alike; files of earlier versions lack the
/// width.
std::optional<Published> published_of(const ModelGroup& group) {
  const json& head = group.config().at("model").at("head");
  if (head.value("experts", 8) != 8 || head.value("expert_width", 64) != 64) return std::nullopt;
  if (group.kind == "sparse_moe" && head.value("top_k", 2) != 2) return std::nullopt;
  if (group.kind == "soft_moe") return Published{0.8723 - 0.8644, 92.2 / 63.9, 1455.0 / 1180.0};
  if (group.kind == "sparse_moe") return Published{0.8717 - 0.8644, 68.7 / 63.9, 1148.0 / 1180.0};
  return std::nullopt;
}

/// Calls question(group, its dense twin) for each MoE group that has one and that `kinds` names.
template <class Ask>
std::vector<Question> beside_dense(const std::vector<ModelGroup>& groups,
                                   std::initializer_list<std::string_view> kinds, Ask&& question) {
  std::vector<Question> questions;
  for (const ModelGroup& group : groups) {
    if (std::ranges::find(kinds, group.kind) == kinds.end()) continue;
    const ModelGroup* dense = dense_twin(groups, group);
    if (dense) append(questions, question(group, dense));
  }
  return questions;
}

Verdict accuracy_gain(const std::vector<ModelGroup>& groups) {
  return judge(
      "accuracy_gain", "MoE heads classify better than the dense head.",
      "Accuracy on test images, MoE less dense. Supported where the whole interval is above 0, "
      "contradicted where it is below half of the published gain (for models without one: below "
      "0).",
      beside_dense(groups, {"soft_moe", "sparse_moe", "hard_moe", "patch_moe"},
                   [](const ModelGroup& moe, const ModelGroup* dense) {
                     const auto published = published_of(moe);
                     const double least = published ? published->accuracy_gain / 2 : 0.0;
                     return ask(moe, dense, "accuracy on test images", Scale::kDifference,
                                published ? std::optional(published->accuracy_gain) : std::nullopt,
                                result("/test/accuracy"), larger(0.0, least));
                   }));
}

Verdict balanced_use(const std::vector<ModelGroup>& groups) {
  std::vector<Question> questions;
  for (const ModelGroup& group : groups) {
    if (!group.is_moe() || group.setting.starts_with("no balance loss")) continue;
    append(questions,
           ask(group, nullptr, "least used expert's part of an even share", Scale::kDifference,
               std::nullopt, lowest_share, larger(kCollapsed, kCollapsed)));
  }
  Verdict verdict = judge(
      "balanced_use", "With its balance losses the gate uses all experts; none collapses.",
      fmt::format(
          "Of models trained with a balance loss: the assignments of the least used expert on "
          "test images, as a part of an even share. Supported where the whole interval is "
          "above {0}, contradicted where it is below, or where an expert of any seed is.",
          kCollapsed),
      std::move(questions));
  for (Comparison& comparison : verdict.comparisons) {  // "none": one example is enough
    const auto lowest = std::ranges::min_element(comparison.values);
    if (!(*lowest < kCollapsed)) continue;
    const auto place = static_cast<std::size_t>(lowest - comparison.values.begin());
    comparison.finding = Finding::kContradicts;
    comparison.reason = fmt::format("seed {}: an expert gets {:.2g} of an even share",
                                    comparison.seeds[place], *lowest);
  }
  verdict.finding = joint_finding(verdict.comparisons);
  return verdict;
}

/// The two figures of curvature on test images, MoE over dense.
template <class MakeRule>
std::vector<Question> curvature_ratios(const ModelGroup& moe, const ModelGroup* dense,
                                       MakeRule&& rule) {
  const auto published = published_of(moe);
  const auto theirs = [&](auto field) {
    return published ? std::optional((*published).*field) : std::nullopt;
  };
  const auto eigenvalue = theirs(&Published::eigenvalue_ratio);
  const auto trace = theirs(&Published::trace_ratio);
  std::vector<Question> questions =
      ask(moe, dense, "largest Hessian eigenvalue on test images", Scale::kRatio, eigenvalue,
          result("/curvature/test/largest_eigenvalue/value"), rule(eigenvalue));
  append(questions, ask(moe, dense, "trace of the Hessian on test images", Scale::kRatio, trace,
                        result("/curvature/test/trace/mean"), rule(trace)));
  return questions;
}

Verdict soft_is_sharper(const std::vector<ModelGroup>& groups) {
  return judge(
      "soft_is_sharper", "The soft mixture ends in a sharper minimum than the dense head.",
      "Ratio of the curvature on test images, soft over dense. Supported where the whole interval "
      "is above 1, contradicted where it is below the square root of the published ratio.",
      beside_dense(groups, {"soft_moe"}, [](const ModelGroup& soft, const ModelGroup* dense) {
        return curvature_ratios(soft, dense, [](std::optional<double> published) {
          return larger(1.0, std::sqrt(published.value_or(1.0)));
        });
      }));
}

Verdict sparse_is_like_dense(const std::vector<ModelGroup>& groups) {
  return judge(
      "sparse_is_like_dense", "The sparse mixture's minimum is as sharp as the dense head's.",
      fmt::format("Ratio of the curvature on test images, sparse over dense. Supported where the "
                  "whole interval lies between 1/{0} and {0}, contradicted where it lies outside.",
                  kAlike),
      beside_dense(groups, {"sparse_moe"}, [](const ModelGroup& sparse, const ModelGroup* dense) {
        return curvature_ratios(sparse, dense,
                                [](std::optional<double>) { return alike(1.0 / kAlike, kAlike); });
      }));
}

Verdict non_local_behaviour(const std::vector<ModelGroup>& groups) {
  return judge(
      "non_local_behaviour", "Dense and MoE heads behave differently under finite steps.",
      fmt::format(
          "Ratio of the test loss's mean rise at the ends of the curve, MoE over dense. "
          "Supported where the interval does not hold 1, contradicted where it lies between "
          "1/{0} and {0}.",
          kAlike),
      beside_dense(groups, {"soft_moe", "sparse_moe", "hard_moe"},
                   [](const ModelGroup& moe, const ModelGroup* dense) {
                     const Rule rule = different(1.0, 1.0 / kAlike, kAlike);
                     std::vector<Question> questions =
                         ask(moe, dense, "rise along filter-normalised directions", Scale::kRatio,
                             std::nullopt, rise_along_random, rule);
                     append(questions,
                            ask(moe, dense, "rise along the top eigenvector", Scale::kRatio,
                                std::nullopt, rise_along_eigenvector, rule));
                     return questions;
                   }));
}

}  // namespace

std::vector<Verdict> judge_claims(const json& study) {
  const std::vector<ModelGroup> groups = group_runs(study);
  return {accuracy_gain(groups),        balanced_use(groups),        soft_is_sharper(groups),
          sparse_is_like_dense(groups), non_local_behaviour(groups), no_speed_up(groups, study)};
}

}  // namespace switchyard
