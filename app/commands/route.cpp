#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/compute_options.h"
#include "app/option_values.h"
#include "app/output.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/io/safetensors.h"
#include "engine/ops/routing.h"
#include "models/sparse_gate.h"

namespace switchyard {
namespace {

struct Options {
  std::string logits;
  std::string out;
  std::string order = "topk_softmax";
  ComputeOptions compute;
  std::string impl;
  std::int64_t k = 0;
  std::int64_t capacity = 0;
};

Tensor read_logits(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  const auto found = file.tensors.find("logits");
  check(found != file.tensors.end(), "{}: the tensor logits is missing", path);
  const Tensor& logits = found->second;
  check(logits.rank() == 2, "{}: logits must be [T, E], got {}", path, logits.shape().to_string());
  check(logits.dtype() == DType::kFloat32 || logits.dtype() == DType::kFloat64,
        "{}: logits must be float32 or float64, got {}", path, name(logits.dtype()));
  return logits;
}

int route(const Options& options) {
  const NoGrad no_grad;
  ComputeOptions compute = options.compute;
  if (!options.impl.empty()) compute.variants.push_back("gate=" + options.impl);
  const Device device = start_computing(compute);
  const Tensor logits = read_logits(options.logits).to(device);
  const std::int64_t experts = logits.size(1);
  check(experts >= 1, "{}: logits {} have no experts", options.logits, logits.shape().to_string());
  check<UsageError>(options.k >= 1 && options.k <= experts,
                    "--k: must be between 1 and the {} experts of {}, got {}", experts,
                    options.logits, options.k);
  const Choice choice = choose_experts(logits, options.k, options.order);
  const Routing routing = make_routing(choice.indices, experts, options.capacity);
  write_safetensors(options.out, {{{"weights", choice.weights},
                                   {"indices", choice.indices},
                                   {"offsets", routing.offsets},
                                   {"permutation", routing.permutation}},
                                  {}});
  if (json_wanted()) {
    print_json({{"out", options.out},
                {"tokens", logits.size(0)},
                {"experts", experts},
                {"k", options.k},
                {"dropped", routing.dropped}});
  } else {
    print_text("{}: {} tokens, {} experts, k {}, {} dropped\n", options.out, logits.size(0),
               experts, options.k, routing.dropped);
  }
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Writes:
  weights      [T, k] of the chosen experts, in the logits' dtype
  indices      [T, k] int64, best first; of equal logits the lower index comes first
  offsets      [E+1] int64: slots offsets[e] to offsets[e+1] belong to expert e
  permutation  [S] int64: slot -> token*k + choice; experts ascending, tokens ascending within one

A row with NaN, with +inf or with -inf alone is an error that names the row.)";

Action add_route(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  command
      .add_option("--logits", options->logits,
                  "Read this safetensors file, which has logits [T, E]")
      ->type_name("FILE")
      ->required();
  command.add_option("--k", options->k, "Choose this many experts for each token")
      ->check(whole_number(0, kAnySigned))
      ->required();
  command.add_option("--out", options->out, "Write this safetensors file")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--order", options->order,
                  "topk_softmax, softmax_topk or softmax_topk_renormalized")
      ->check(one_of({"topk_softmax", "softmax_topk", "softmax_topk_renormalized"}))
      ->capture_default_str();
  command
      .add_option("--capacity", options->capacity,
                  "Give an expert at most this many tokens and drop later ones; 0: no limit")
      ->check(whole_number(0, kAnySigned))
      ->capture_default_str();
  command
      .add_option("--impl", options->impl,
                  "Variant of the gate's kernel, as --variant gate=RUNG; without it the best for "
                  "these sizes")
      ->type_name("RUNG");
  add_compute_options(command, options->compute, "cpu");
  return [=] { return route(*options); };
}

const CommandRegistration kRoute(
    {Command::Group::kModels, "route",
     "Choose experts for given logits: write choices, weights and order", add_route});

}  // namespace
}  // namespace switchyard
