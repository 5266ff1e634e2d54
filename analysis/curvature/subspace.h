#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/eigenpairs.h"

namespace switchyard {

/// How the spans of two sets of orthonormal vectors in n dimensions lie to each other.
struct SubspaceAngles {
  std::vector<double> cosines;  ///< of the principal angles, descending (eigenpairs.h)
  /// Mean square of the cosines: 1 where the smaller span lies in the other, 0 where they are
  /// orthogonal. It does not depend on which vectors of a cluster of eigenvalues were found, only
  /// on the whole span (Gur-Ari, Roberts & Dyer, 2018).
  double overlap = 0.0;
  /// What is expected of random spans: the larger number of vectors / n.
  double by_chance = 0.0;
};
/// NaN and no cosines where one of them is empty.
SubspaceAngles subspace_angles(const std::vector<ParameterVector>& a,
                               const std::vector<ParameterVector>& b);

/// One of the models that are compared, such as a run of another seed or with another head.
struct ComparedModel {
  std::string name;
  Classifier* model = nullptr;
  std::filesystem::path products;  ///< product_journal.h; empty: none are kept
};

/// The top subspaces of one block of parameters in several models, on the same images.
struct SubspaceComparison {
  struct Pair {
    std::size_t a = 0, b = 0;  ///< a < b: numbers of models
    SubspaceAngles angles;
  };
  std::vector<std::string> names;
  std::vector<EigenpairResult> tops;  ///< of each model, as far as the watch allowed
  std::vector<Pair> pairs;            ///< all of them among `tops`
};

/// Finds `options.count` largest eigenpairs of the block that `globs` name (parameter_block.h) in
/// each model, all from the same start vectors, and compares their spans. Models of the same block
/// may differ elsewhere: backbones are compared under different heads. UsageError where the block
/// has other names or shapes in one of the models than in the first, where models have different
/// classes or image channels, or for more eigenpairs than parameters.
SubspaceComparison compare_top_subspaces(CurvatureKind kind, std::span<const ComparedModel> models,
                                         const std::vector<Batch>& batches,
                                         const std::vector<std::string>& globs,
                                         const Generator& random, const EigenpairOptions& options,
                                         const std::shared_ptr<GraphMemory>& memory = nullptr);

/// {"runs": [{"name", "top"}], "pairs": [{"a", "b", "cosines", "overlap", "by_chance"}]}.
nlohmann::json to_json(const SubspaceComparison& comparison);

}  // namespace switchyard
