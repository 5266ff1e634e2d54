#include "analysis/verdicts/routed_share.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/verdicts/compare.h"

namespace switchyard {
namespace {

using nlohmann::json;

/// Of all trends of one statement together (Bonferroni).
constexpr double kLevel = 0.95;

/// A model that routes, with the dense model that it is paired with.
struct RoutedModel {
  const ModelGroup* group;
  const ModelGroup* dense;
  double share;  ///< ρ
};

/// ρ of a model, the same for every seed; files of earlier versions lack it.
double share_of(const ModelGroup& group) {
  return result("/routed_share")(*group.runs.begin()->second).value_or(0.0);
}

/// By ascending share; nothing where there are not at least two different ones.
std::vector<RoutedModel> routed_models(const std::vector<ModelGroup>& groups) {
  std::vector<RoutedModel> models;
  for (const ModelGroup& group : groups) {
    if (!group.is_moe() || !(share_of(group) > 0.0)) continue;
    const ModelGroup* dense = dense_twin(groups, group);
    if (dense) models.push_back({&group, dense, share_of(group)});
  }
  std::ranges::stable_sort(models, {}, &RoutedModel::share);
  if (models.empty() || models.front().share == models.back().share) return {};
  return models;
}

/// What is said of more routing.
struct Statement {
  std::string claim, text;
  bool raises;  ///< whether the quantities are said to rise with ρ, or to fall
  std::vector<Quantity> quantities;
};

std::vector<Statement> statements() {
  const auto curvature = [](const char* name, const char* set, const char* path) {
    const bool train = std::string_view(set) == "train";
    return Quantity{fmt::format("{} on {} images", name, train ? "training" : "test"),
                    Scale::kRatio, result(fmt::format("/curvature/{}/{}", set, path))};
  };
  const char* eigenvalue = "largest Hessian eigenvalue";
  const char* trace = "trace of the Hessian";
  return {{"routing_gains_accuracy",
           "More routing gains accuracy.",
           true,
           {{"accuracy on test images", Scale::kDifference, result("/test/accuracy")}}},
          {"routing_generalises",
           "More routing narrows the gap between training and test accuracy.",
           false,
           {{"training less test accuracy", Scale::kDifference, generalisation_gap}}},
          {"routing_sharpens",
           "More routing ends in a sharper minimum.",
           true,
           {curvature(eigenvalue, "train", "largest_eigenvalue/value"),
            curvature(eigenvalue, "test", "largest_eigenvalue/value"),
            curvature(trace, "train", "trace/mean"), curvature(trace, "test", "trace/mean")}}};
}

std::string rule_of(const Statement& statement) {
  const bool ratio = statement.quantities.front().scale == Scale::kRatio;
  const std::size_t count = statement.quantities.size();
  return fmt::format(
      "Spearman's rank correlation of ρ with the {} the dense model, over all runs; its p-value "
      "counts permutations of the models within each seed{}. Supported where {} {} with a p-value "
      "that small, contradicted where {} {} with one. Intervals of single models hold 95 % each.",
      ratio ? "ratio to" : "difference from",
      count > 1 ? fmt::format(", and {} quantities share the 5 %", count)
                : " and is significant up to 5 %",
      count > 1 ? "all are" : "it is", statement.raises ? "positive" : "negative",
      count > 1 ? "one is" : "it is", statement.raises ? "negative" : "positive");
}

/// The rule of a model by itself: the trend over all of them decides.
Finding undecided(double /*low*/, double /*high*/) { return Finding::kCannotTell; }

/// Each model beside its dense one, with an interval of its own.
void add_models(ShareTrend& trend, const std::vector<RoutedModel>& models,
                const Quantity& quantity) {
  for (const RoutedModel& model : models) {
    auto comparison = compare(*model.group, model.dense, quantity);
    if (!comparison) continue;
    decide(*comparison, &undecided, kLevel);
    if (comparison->mean) comparison->reason.clear();
    trend.shares.push_back(model.share);
    trend.models.push_back(std::move(*comparison));
  }
}

/// Why the values have no order by ρ to be tested, "" where they have.
std::string problem_of(const ShareTrend& trend) {
  for (const Comparison& model : trend.models) {
    const std::string problem = value_problem(model);
    if (!problem.empty()) return fmt::format("{}, {}", model.model, problem);
  }
  if (trend.shares.front() == trend.shares.back()) return "all models have the same share";
  return "";
}

RankTest rank_test_of(const ShareTrend& trend) {
  std::vector<double> shares, values;
  std::vector<std::size_t> seeds;
  for (std::size_t i = 0; i < trend.models.size(); ++i) {
    const Comparison& model = trend.models[i];
    shares.insert(shares.end(), model.values.size(), trend.shares[i]);
    values.insert(values.end(), model.values.begin(), model.values.end());
    seeds.insert(seeds.end(), model.seeds.begin(), model.seeds.end());
  }
  return rank_test(shares, values, seeds);
}

void decide_trend(ShareTrend& trend, bool raises, double level) {
  trend.level = level;
  trend.reason = problem_of(trend);
  if (!trend.reason.empty()) return;
  const RankTest rank = rank_test_of(trend);
  if (std::isnan(rank.correlation)) {
    trend.reason = "all runs have the same value";
    return;
  }
  trend.rank = rank;
  if (rank.p_value <= 1.0 - level) {
    const bool rises = rank.correlation > 0.0;
    trend.finding = rises == raises ? Finding::kSupports : Finding::kContradicts;
  } else if (rank.least_p > 1.0 - level) {
    trend.reason = fmt::format("no order of so few runs has a p-value below {:.2g}", rank.least_p);
  } else {
    trend.reason = "chance alone could order the runs so";
  }
}

ShareVerdict judge(const Statement& statement, const std::vector<RoutedModel>& models) {
  ShareVerdict verdict{.claim = statement.claim,
                       .statement = statement.text,
                       .rule = rule_of(statement),
                       .trends = {}};
  const double level = 1.0 - (1.0 - kLevel) / static_cast<double>(statement.quantities.size());
  std::vector<Finding> findings;
  for (const Quantity& quantity : statement.quantities) {
    ShareTrend trend;
    trend.quantity = quantity.name;
    add_models(trend, models, quantity);
    if (trend.models.empty()) continue;  // not measured
    decide_trend(trend, statement.raises, level);
    findings.push_back(trend.finding);
    verdict.trends.push_back(std::move(trend));
  }
  verdict.finding = joint_finding(findings);
  return verdict;
}

json to_json(const ShareTrend& trend) {
  json models = json::array();
  for (std::size_t i = 0; i < trend.models.size(); ++i) {
    json model = to_json(trend.models[i]);
    model["share"] = trend.shares[i];
    models.push_back(std::move(model));
  }
  json object = {{"quantity", trend.quantity},
                 {"correlation", nullptr},
                 {"p_value", nullptr},
                 {"level", trend.level},
                 {"finding", finding_text(trend.finding)},
                 {"reason", trend.reason},
                 {"models", models}};
  if (trend.rank) {
    object["correlation"] = trend.rank->correlation;
    object["p_value"] = trend.rank->p_value;
    object["exact"] = trend.rank->exact;
  }
  return object;
}

json to_json(const ShareVerdict& verdict) {
  json trends = json::array();
  for (const ShareTrend& trend : verdict.trends) trends.push_back(to_json(trend));
  return {{"claim", verdict.claim},
          {"statement", verdict.statement},
          {"rule", verdict.rule},
          {"finding", finding_text(verdict.finding)},
          {"trends", trends}};
}

/// One quantity of all models on its own, dense ones included, for a chart.
json figure_json(const Quantity& quantity, const std::vector<RoutedModel>& models) {
  json list = json::array();
  std::vector<const ModelGroup*> shown;
  const auto show = [&](const ModelGroup& group, double share) {
    if (std::ranges::find(shown, &group) != shown.end()) return;
    auto own = compare(group, nullptr, quantity);
    if (!own) return;
    shown.push_back(&group);
    decide(*own, &undecided, kLevel);
    json model = to_json(*own);
    list.push_back({{"share", share}});
    for (const char* field : {"model", "seeds", "values", "mean", "low", "high"}) {
      list.back()[field] = model.at(field);
    }
  };
  for (const RoutedModel& model : models) show(*model.dense, 0.0);
  for (const RoutedModel& model : models) show(*model.group, model.share);
  return {{"quantity", quantity.name},
          {"scale", quantity.scale == Scale::kRatio ? "ratio" : "difference"},
          {"models", list}};
}

std::vector<ShareVerdict> judge_all(const std::vector<RoutedModel>& models) {
  std::vector<ShareVerdict> verdicts;
  if (models.empty()) return verdicts;
  for (const Statement& statement : statements()) verdicts.push_back(judge(statement, models));
  return verdicts;
}

}  // namespace

std::vector<ShareVerdict> judge_routed_share(const json& study) {
  const std::vector<ModelGroup> groups = group_runs(study);
  return judge_all(routed_models(groups));
}

json routed_share_json(const json& study) {
  const std::vector<ModelGroup> groups = group_runs(study);
  const std::vector<RoutedModel> models = routed_models(groups);
  json figures = json::array();
  for (const Statement& statement : statements()) {
    for (const Quantity& quantity : statement.quantities) {
      json figure = figure_json(quantity, models);
      if (!figure.at("models").empty()) figures.push_back(std::move(figure));
    }
  }
  json verdicts = json::array();
  for (const ShareVerdict& verdict : judge_all(models)) verdicts.push_back(to_json(verdict));
  return {{"figures", figures}, {"verdicts", verdicts}};
}

}  // namespace switchyard
