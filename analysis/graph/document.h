#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/graph/problem.h"

namespace switchyard::graph {

/// All that the page shows and --json prints: the boxes in their order of birth, the calls of
/// rules, the rules' sources, what each pass cost, and the groups that fold. docs/design/graph.md
/// lists the fields. `sizes` says how much of the gradient and the product is kept.
nlohmann::json document(const Problem& problem, int order, const TracedProblem& traced,
                        const SnapshotSizes& sizes = {});

/// Adds what the loss does along v (walk_along()), `product` being H v.
void add_walk(nlohmann::json& document, const Problem& problem, const std::vector<Tensor>& product,
              const WalkPlan& plan = kFineWalk);
/// Adds the bills of the two roads to H v (compare_roads()).
void add_products(nlohmann::json& document, const Problem& problem);

/// Says how a page begins, and why it lacks a pane.
struct PageOptions {
  bool folded = false;       ///< every box closed but those of the passes
  std::string no_walk = {};  ///< a sentence where the document has no walk
};

/// The page of a document: one file that needs no other, of at most kLargestPage bytes. The numbers
/// of large tensors are left out where it would be longer, and the page says so; Error where it
/// would still be.
std::string page(const nlohmann::json& document, const PageOptions& options = {});

inline constexpr std::size_t kLargestPage = 600'000;

}  // namespace switchyard::graph
