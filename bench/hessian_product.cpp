#include <nlohmann/json.hpp>

#include "analysis/curvature/vectors.h"
#include "analysis/process_memory.h"
#include "bench/benchmark.h"
#include "bench/problem.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/hvp.h"

namespace switchyard::bench {

nlohmann::json hessian_product(const BenchOptions& options, DType dtype) {
  const double tolerance = dtype == DType::kFloat32 ? 1e-5 : 1e-12;
  const Problem problem(options, dtype);
  Generator random(3);
  const std::vector<Tensor> v = random_normal_like(problem.parameters, random);
  const std::size_t before = memory_stats(options.device).live;
  const HessianOperator kept(problem.loss(), problem.parameters);
  const std::size_t graph_bytes = memory_stats(options.device).live - before;
  require_agreement("hvp: gradient of the kept graph", kept.gradient(),
                    grad(problem.loss(), problem.parameters), tolerance);
  require_agreement("hvp: kept graph against a new one", kept.apply(v),
                    hvp(problem.loss(), problem.parameters, v), tolerance);

  const std::vector<Timing> timings =
      measure_in_turns({problem.to_its_end([&] { grad(problem.loss(), problem.parameters); }),
                        problem.to_its_end([&] { hvp(problem.loss(), problem.parameters, v); }),
                        problem.to_its_end([&] { kept.apply(v); })},
                       options.timing);
  nlohmann::json result = nlohmann::json::array();
  for (const auto& [label, timing] : {std::pair{"gradient", &timings[0]},
                                      {"hvp_from_scratch", &timings[1]},
                                      {"hvp_kept_graph", &timings[2]}}) {
    result.push_back(entry(label, options.batch, dtype, *timing));
    result.back()["gradients"] = timing->median() / timings[0].median();
  }
  result.back()["graph_bytes"] = graph_bytes;
  result.back()["peak_resident_bytes"] = peak_resident_bytes();
  return result;
}

}  // namespace switchyard::bench
