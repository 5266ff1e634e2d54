#include "analysis/curvature/subspace.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "analysis/curvature/product_journal.h"
#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

/// The block of one model, which must be that of the first one.
ParameterBlock checked_block(const ComparedModel& compared, const ComparedModel& first,
                             const std::vector<std::string>& globs) {
  const ModelConfig& config = compared.model->config();
  const ModelConfig& expected = first.model->config();
  check<UsageError>(config.head.classes == expected.head.classes &&
                        config.backbone.in_channels == expected.backbone.in_channels,
                    "{}: {} classes of images with {} channels, {} has {} and {}", compared.name,
                    config.head.classes, config.backbone.in_channels, first.name,
                    expected.head.classes, expected.backbone.in_channels);
  const ParameterBlock block = ParameterBlock(compared.model->parameters()).matching(globs);
  const ParameterBlock reference = ParameterBlock(first.model->parameters()).matching(globs);
  const std::size_t parts = std::min(block.parts().size(), reference.parts().size());
  const ParameterVector shapes = block.part_of(nn::tensors_of(compared.model->parameters()));
  const ParameterVector other = reference.part_of(nn::tensors_of(first.model->parameters()));
  for (std::size_t i = 0; i < parts; ++i) {
    check<UsageError>(
        block.parts()[i].name == reference.parts()[i].name && shapes[i].shape() == other[i].shape(),
        "{}: the block has {} {} where {} has {} {}; name a block that both have, "
        "such as backbone",
        compared.name, block.parts()[i].name, shapes[i].shape(), first.name,
        reference.parts()[i].name, other[i].shape());
  }
  check<UsageError>(block.parts().size() == reference.parts().size(),
                    "{}: the block has {} tensors, {} has {}; name a block that both have, such as "
                    "backbone",
                    compared.name, block.parts().size(), first.name, reference.parts().size());
  return block;
}

std::vector<ParameterVector> vectors_of(const EigenpairResult& result) {
  std::vector<ParameterVector> vectors;
  for (const EigenPair& pair : result.pairs) vectors.push_back(pair.vector);
  return vectors;
}

}  // namespace

SubspaceAngles subspace_angles(const std::vector<ParameterVector>& a,
                               const std::vector<ParameterVector>& b) {
  SubspaceAngles angles;
  angles.cosines = principal_cosines(a, b);
  if (angles.cosines.empty()) {
    angles.overlap = angles.by_chance = std::numeric_limits<double>::quiet_NaN();
    return angles;
  }
  for (const double cosine : angles.cosines) {
    angles.overlap += cosine * cosine / static_cast<double>(angles.cosines.size());
  }
  angles.by_chance =
      static_cast<double>(std::max(a.size(), b.size())) / static_cast<double>(dimension(a[0]));
  return angles;
}

SubspaceComparison compare_top_subspaces(CurvatureKind kind, std::span<const ComparedModel> models,
                                         const std::vector<Batch>& batches,
                                         const std::vector<std::string>& globs,
                                         const Generator& random, const EigenpairOptions& options,
                                         const std::shared_ptr<GraphMemory>& memory) {
  check(!models.empty(), "[subspaces] no models");
  // All blocks are checked before the first product.
  std::vector<ParameterBlock> blocks;
  for (const ComparedModel& compared : models) {
    blocks.push_back(checked_block(compared, models[0], globs));
  }
  SubspaceComparison comparison;
  EigenpairOptions watched = options;
  bool over = false;
  watched.watch = latched(options.watch, over);
  for (std::size_t i = 0; i < models.size() && !over; ++i) {
    Operator a = block_curvature(kind, *models[i].model, batches, blocks[i], memory);
    if (!models[i].products.empty()) {
      a = std::make_shared<ProductJournal>(a, models[i].products);
    }
    comparison.names.push_back(models[i].name);
    comparison.tops.push_back(eigenpairs(*a, random, watched));
  }
  for (std::size_t j = 1; j < comparison.tops.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      comparison.pairs.push_back(
          {i, j, subspace_angles(vectors_of(comparison.tops[i]), vectors_of(comparison.tops[j]))});
    }
  }
  return comparison;
}

nlohmann::json to_json(const SubspaceComparison& comparison) {
  nlohmann::json json = {{"runs", nlohmann::json::array()}, {"pairs", nlohmann::json::array()}};
  for (std::size_t i = 0; i < comparison.tops.size(); ++i) {
    json["runs"].push_back({{"name", comparison.names[i]}, {"top", to_json(comparison.tops[i])}});
  }
  for (const SubspaceComparison::Pair& pair : comparison.pairs) {
    json["pairs"].push_back({{"a", pair.a},
                             {"b", pair.b},
                             {"cosines", pair.angles.cosines},
                             {"overlap", pair.angles.overlap},
                             {"by_chance", pair.angles.by_chance}});
  }
  return json;
}

}  // namespace switchyard
