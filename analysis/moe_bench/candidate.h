#pragma once

#include <functional>
#include <string>
#include <vector>

#include "analysis/moe_bench/problem.h"

namespace switchyard::moe_bench {

/// One way to compute what a benchmark is about.
struct Candidate {
  std::string stage;         ///< "layer", or the kernel of the routing that is timed alone
  std::string variant;       ///< the technique; for a layer the rung's name without the kernel's
  std::string refusal = {};  ///< why it cannot be timed; empty where it can
  std::function<void()> call = {};                    ///< enqueues the work once
  std::function<void()> poison = {};                  ///< makes forgotten elements show
  std::function<std::vector<Tensor>()> results = {};  ///< what the last call left
  std::vector<Tensor> expected = {};                  ///< what it should have left
  double tolerance = 0.0;                             ///< largest relative error of a right result
  double bytes = 0.0;  ///< compulsory: operands read once, results written once
  double flops = 0.0;  ///< of the definition; 0 where bytes are what matters
};

/// Makes a candidate when its turn comes, so that graphs of which each needs much memory need not
/// all be there at once.
using CandidateMaker = std::function<Candidate()>;

/// Returns whether the user asked for a variant: its name is in the list, or the list holds "all".
bool is_wanted(const std::vector<std::string>& variants, const std::string& variant);

/// Errors: UsageError naming what there is where the list holds a name that is not in `known`.
void check_variants(const std::vector<std::string>& variants,
                    const std::vector<std::string>& known);

/// The techniques of the layer's kernels on a device, from the naive to the best: the names of all
/// rungs of the kernels moe_*, without the kernels' names.
std::vector<std::string> layer_variants(Device device);
/// A maker for each wanted technique. `problem` and `reference` must outlive them; the arguments of
/// all but Hessian-vector products are in memory once, and calls allocate only what a rung itself
/// does. A Hessian-vector product also has the variant "default", the rungs that the door takes.
std::vector<CandidateMaker> layer_candidates(const LayerProblem& problem, Order order,
                                             const Reference& reference,
                                             const std::vector<std::string>& variants);

/// The rungs of the routing's kernels on a device, and "default" and "first_rungs" for the whole
/// way from gate logits to slots and back.
std::vector<std::string> routing_variants(Device device);
/// A maker for each rung of each kernel (forward alone) and for the whole way in the given order.
std::vector<CandidateMaker> routing_candidates(const LayerProblem& problem, Order order,
                                               const std::vector<std::string>& variants);

}  // namespace switchyard::moe_bench
