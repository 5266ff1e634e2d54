#include "analysis/curvature/expert_curvature.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/product_journal.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/ops/shape.h"
#include "models/backbone.h"
#include "models/head.h"

namespace switchyard {
namespace {

/// A batch behind the backbone, and which experts each of its images chose.
struct FeatureBatch {
  Tensor features;                        // [n, D]
  Tensor labels;                          // [n]
  std::vector<std::vector<bool>> serves;  // [E][n]
};

FeatureBatch features_of(Classifier& model, const Batch& batch, std::int64_t experts) {
  const NoGrad no_grad;
  const nn::Mode mode = nn::Mode::evaluation();
  FeatureBatch result;
  const Batch there = to_device(batch, model.device());
  result.features = model.backbone().forward(there.images, mode).features;
  result.labels = there.labels;
  const auto n = static_cast<std::size_t>(batch.labels.numel());
  const Tensor indices = model.head().forward(result.features, mode).gate.indices;
  // Without a choice every expert answers every image.
  result.serves.assign(static_cast<std::size_t>(experts), std::vector<bool>(n, !indices.defined()));
  if (!indices.defined()) return result;
  const std::vector<double> chosen = indices.to_doubles();
  const auto k = static_cast<std::size_t>(indices.size(1));
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    result.serves[static_cast<std::size_t>(chosen[i])][i / k] = true;
  }
  return result;
}

/// The rows of features [n, D] that are marked.
Tensor marked_rows(const Tensor& features, const std::vector<bool>& marks) {
  std::vector<Tensor> rows;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i]) rows.push_back(features.entry(static_cast<std::int64_t>(i)));
  }
  return stack(rows);
}

Tensor marked_labels(const Tensor& labels, const std::vector<bool>& marks) {
  const Tensor host = labels.to(Device::kCpu);
  std::vector<std::int64_t> chosen;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (marks[i]) chosen.push_back(host.span<std::int64_t>()[i]);
  }
  return Tensor::from({static_cast<std::int64_t>(chosen.size())}, chosen, labels.device());
}

/// The head's terms on the images that `expert` serves.
std::vector<LogitsTerm> terms_served(Classifier& model, const std::vector<FeatureBatch>& batches,
                                     std::size_t expert, std::int64_t images) {
  const NoGrad no_grad;
  std::vector<LogitsTerm> terms;
  for (const FeatureBatch& batch : batches) {
    const auto served = std::ranges::count(batch.serves[expert], true);
    if (served == 0) continue;
    const Tensor features = marked_rows(batch.features, batch.serves[expert]);
    terms.push_back({[&model, features] {
                       return model.head().forward(features, nn::Mode::evaluation()).logits;
                     },
                     marked_labels(batch.labels, batch.serves[expert]),
                     static_cast<double>(served) / static_cast<double>(images)});
  }
  return terms;
}

}  // namespace

std::vector<ExpertCurvature> expert_curvatures(
    CurvatureKind kind, Classifier& model, const std::vector<Batch>& batches,
    const Generator& random, const MeasurementOptions& options, const Watch& watch,
    const std::filesystem::path& state, const std::shared_ptr<GraphMemory>& memory) {
  const HeadConfig& head = model.config().head;
  if (head.name == "dense") return {};
  std::vector<FeatureBatch> features;
  for (const Batch& batch : batches) features.push_back(features_of(model, batch, head.experts));
  const ParameterBlock whole(model.parameters());
  std::vector<ExpertCurvature> result;
  bool over = false;
  const Watch watched = latched(watch, over);
  for (std::int64_t e = 0; e < head.experts && !over; ++e) {
    const auto expert = static_cast<std::size_t>(e);
    ExpertCurvature& entry = result.emplace_back();
    entry.expert = e;
    for (const FeatureBatch& batch : features) {
      entry.images += std::ranges::count(batch.serves[expert], true);
    }
    if (entry.images == 0) continue;
    const std::string name = fmt::format("head.experts.{}", e);
    const ParameterBlock block = whole.matching(std::span(&name, 1));
    Operator a = block_curvature(kind, model, terms_served(model, features, expert, entry.images),
                                 block, memory);
    if (!state.empty()) a = std::make_shared<ProductJournal>(a, state / name);
    entry.curvature = measure_block(*a, name, block.by_itself(),
                                    random.fork(static_cast<std::uint64_t>(e)), options, watched);
  }
  return result;
}

nlohmann::json to_json(const std::vector<ExpertCurvature>& experts) {
  nlohmann::json json = nlohmann::json::array();
  for (const ExpertCurvature& expert : experts) {
    json.push_back({{"expert", expert.expert}, {"images", expert.images}});
    if (expert.curvature) json.back()["curvature"] = to_json(*expert.curvature);
  }
  return json;
}

BoundaryMass boundary_mass(std::vector<double> margins, int points) {
  check(!margins.empty() && points >= 2, "[boundary mass] {} margins at {} widths", margins.size(),
        points);
  std::sort(margins.begin(), margins.end());
  BoundaryMass mass;
  const auto n = static_cast<double>(margins.size());
  for (int i = 0; i < points; ++i) {
    const double width = margins.back() * i / (points - 1);
    const auto within = std::upper_bound(margins.begin(), margins.end(), width) - margins.begin();
    const double share = static_cast<double>(within) / n;
    mass.width.push_back(width);
    mass.share.push_back(share);
    mass.standard_error.push_back(std::sqrt(share * (1.0 - share) / n));
  }
  return mass;
}

nlohmann::json to_json(const BoundaryMass& mass) {
  return {{"width", mass.width}, {"share", mass.share}, {"standard_error", mass.standard_error}};
}

std::vector<double> choice_margins(Classifier& model, const std::vector<Batch>& batches) {
  const NoGrad no_grad;
  std::vector<double> margins;
  for (const Batch& batch : batches) {
    const GateOutput gate =
        model.forward(batch.images.to(model.device()), nn::Mode::evaluation()).gate;
    if (!gate.indices.defined() || gate.indices.size(1) >= gate.logits.size(1)) return {};
    const std::vector<double> some = choice_margin(gate.logits, gate.indices.size(1)).to_doubles();
    margins.insert(margins.end(), some.begin(), some.end());
  }
  return margins;
}

}  // namespace switchyard
