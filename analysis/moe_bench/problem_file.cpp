#include "analysis/moe_bench/problem_file.h"

#include "analysis/moe_bench/memory_need.h"
#include "engine/core/check.h"
#include "engine/io/safetensors.h"

namespace switchyard::moe_bench {

void write_problem_file(const std::filesystem::path& path, const Workload& workload,
                        const RunOptions& options) {
  check_workload(workload);
  check<UsageError>(!options.trace.defined(), "--write-problem: a trace cannot be written again");
  check_memory(workload, Order::kTraining, options.dtype, Device::kCpu, options.memory_limit);
  const LayerProblem p = make_layer_problem(workload, options.draw, options.dtype, Device::kCpu);
  const Reference reference = reference_of(p, Order::kTraining);
  TensorFile file;
  file.tensors = {{"logits", p.logits},
                  {"x", p.x},
                  {"gy", p.gy},
                  {"weights", p.weights.to(DType::kFloat64)},
                  {"indices", p.routing.indices},
                  {"w_in", p.experts.w_in},
                  {"w_out", p.experts.w_out},
                  {"y", reference.y}};
  if (p.experts.b_in.defined()) file.tensors["b_in"] = p.experts.b_in;
  if (p.experts.b_out.defined()) file.tensors["b_out"] = p.experts.b_out;
  const char* const names[] = {"x", "weights", "w_in", "w_out", "b_in", "b_out"};
  for (std::size_t i = 0; i < reference.gradients.size(); ++i) {
    file.tensors[std::string("grad.") + names[i]] = reference.gradients[i];
  }
  file.metadata = {{"experts", std::to_string(workload.experts)},
                   {"k", std::to_string(workload.k)},
                   {"activation", std::string(name(workload.activation))}};
  write_safetensors(path, file);
}

}  // namespace switchyard::moe_bench
