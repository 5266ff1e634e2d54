#include "analysis/curvature/product_cost.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "analysis/curvature/classifier_loss.h"
#include "analysis/curvature/curvature_kind.h"
#include "analysis/curvature/vectors.h"
#include "analysis/process_memory.h"
#include "engine/core/check.h"
#include "engine/core/memory.h"

namespace switchyard {
namespace {

/// One way to multiply, and the product of its first vector when it was called last.
struct Way {
  std::string name;
  Operator a;
  std::shared_ptr<GraphMemory> memory;
  std::vector<ParameterVector> block;
  ParameterVector first = {};
};

std::vector<ParameterVector> random_block(const SymmetricOperator& a, std::size_t count) {
  Generator random(4);
  std::vector<ParameterVector> block;
  for (std::size_t i = 0; i < count; ++i) block.push_back(random_normal_like(a.like(), random));
  return block;
}

/// Measures the ways to multiply with a classifier's matrices, one matrix after the other.
class Measurement {
 public:
  Measurement(Classifier& model, const std::vector<Batch>& batches, const CostOptions& options)
      : model_(model),
        batches_(batches),
        options_(options),
        parameters_(nn::tensors_of(model.parameters())),
        terms_(logits_terms(model, batches)) {}

  std::vector<ProductCost> hessian() const {
    constexpr auto kKind = CurvatureKind::kHessian;
    const auto kept = kept_graphs();
    const Operator on_kept = curvature_operator(kKind, parameters_, terms_, kept);
    const auto none = std::make_shared<GraphMemory>(0);
    const Operator anew = curvature_operator(kKind, parameters_, terms_, none);
    std::vector<Way> ways = {way("hessian_kept", on_kept, kept, 1),
                             way("hessian_rebuilt", anew, none, 1)};
    if (options_.block > 0) {
      ways.push_back(way("hessian_kept_block", on_kept, kept, options_.block));
      ways.push_back(way("hessian_rebuilt_block", anew, none, options_.block));
    }
    std::vector<ProductCost> costs = measure(ways);
    for (const Way& other : std::span(ways).subspan(1)) require_agreement(other, ways[0]);
    return costs;
  }

  std::vector<ProductCost> head_of_hessian() const {
    const std::string head = "head";
    const ParameterBlock block = ParameterBlock(model_.parameters()).matching(std::span(&head, 1));
    const auto kept = kept_graphs();
    std::vector<Way> ways = {
        way("hessian_head_block_kept",
            block_curvature(CurvatureKind::kHessian, model_, batches_, block, kept), kept, 1)};
    return measure(ways);
  }

  std::vector<ProductCost> kept(CurvatureKind kind) const {
    const auto memory = kept_graphs();
    std::vector<Way> ways = {way(std::string(name(kind)) + "_kept",
                                 curvature_operator(kind, parameters_, terms_, memory), memory, 1)};
    return measure(ways);
  }

 private:
  std::shared_ptr<GraphMemory> kept_graphs() const {
    return options_.graph_memory_bytes ? std::make_shared<GraphMemory>(*options_.graph_memory_bytes)
                                       : graph_memory_of_system(model_.device());
  }

  static Way way(std::string name, const Operator& a, const std::shared_ptr<GraphMemory>& memory,
                 std::size_t vectors) {
    return {std::move(name), a, memory, random_block(*a, vectors)};
  }

  /// The gradient and all ways in turns; the first turn, which builds what is kept, does not count.
  std::vector<ProductCost> measure(std::vector<Way>& ways) const {
    std::vector<std::function<void()>> calls = {[this] {
      mean_gradient(parameters_, cross_entropy_of(terms_));
      synchronise(model_.device());
    }};
    for (Way& each : ways) {
      calls.emplace_back([this, &each] {
        each.first = std::move(each.a->apply_block(each.block).vectors[0]);
        synchronise(model_.device());
      });
    }
    TimingOptions timing = options_.timing;
    timing.warm_up = std::max(timing.warm_up, 1);
    const std::vector<Timing> timings = measure_in_turns(calls, timing);
    std::vector<ProductCost> costs;
    for (std::size_t i = 0; i < ways.size(); ++i) {
      costs.push_back({ways[i].name, ways[i].block.size(), timings[0], timings[i + 1],
                       ways[i].memory->kept(), ways[i].memory->refused() == 0});
    }
    return costs;
  }

  void require_agreement(const Way& way, const Way& other) const {
    const double tolerance = parameters_[0].dtype() == DType::kFloat64 ? 1e-12 : 1e-5;
    ParameterVector difference = copy_of(way.first);
    axpy(-1.0, other.first, difference);
    const double error = norm(difference);
    const double size = norm(other.first);
    check(error <= tolerance * size, "[cost] the products of {} and {} differ by {:.3g} of {:.3g}",
          way.name, other.name, error, size);
  }

  Classifier& model_;
  const std::vector<Batch>& batches_;
  const CostOptions& options_;
  std::vector<Tensor> parameters_;
  std::vector<LogitsTerm> terms_;
};

}  // namespace

double ProductCost::gradients_per_vector() const {
  return product.median() / gradient.median() / static_cast<double>(vectors);
}

std::vector<ProductCost> product_costs(Classifier& model, const std::vector<Batch>& batches,
                                       const CostOptions& options) {
  const Measurement measurement(model, batches, options);
  std::vector<ProductCost> costs = measurement.hessian();
  for (const std::vector<ProductCost>& next :
       {measurement.head_of_hessian(), measurement.kept(CurvatureKind::kGaussNewton),
        measurement.kept(CurvatureKind::kEmpiricalFisher)}) {
    costs.insert(costs.end(), next.begin(), next.end());
  }
  return costs;
}

std::vector<MemoryPoint> memory_over_products(SymmetricOperator& a,
                                              std::span<const std::int64_t> counts) {
  const Device device = a.like()[0].device();
  const ParameterVector v = random_block(a, 1)[0];
  std::vector<MemoryPoint> points;
  std::int64_t done = 0;
  for (const std::int64_t count : counts) {
    check(count > done, "[cost] counts of products must ascend from 1, got {} after {}", count,
          done);
    for (; done < count; ++done) a.apply(v);
    synchronise(device);
    points.push_back({count, memory_stats(device).live, resident_bytes()});
  }
  return points;
}

}  // namespace switchyard
