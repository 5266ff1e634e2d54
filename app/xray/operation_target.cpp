#include <fmt/format.h>

#include <algorithm>

#include "analysis/moe_bench/counts.h"
#include "app/workbench_options.h"
#include "app/xray/targets.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/suggest.h"
#include "engine/ops/cases.h"
#include "models/moe_layer.h"

namespace switchyard {
namespace {

using kernels::workbench::SizeParameter;
using kernels::workbench::Sizes;

/// Something to differentiate: a function and where.
struct Subject {
  std::vector<Tensor> inputs;  // leaves, on the machine
  TensorFunction function;
};

/// Names of the passes by order.
constexpr const char* kPasses[] = {"forward", "backward", "second order"};

Tensor normal_like(const Tensor& x, Generator& random) {
  return random_normal(x.shape(), x.dtype(), random.next(x.numel()), x.device());
}

/// y, then the gradients of <c, y>, then the Hessian's product with v, a pass each. The cotangent c
/// and the direction v are there before the pass that reads them begins.
void differentiate(const Subject& subject, const XrayTarget& target,
                   const std::function<void(const char*, const std::function<void()>&)>& pass) {
  Generator random(target.seed + 1);
  Tensor y;
  const auto forward = [&] { y = subject.function(subject.inputs); };
  if (target.order == 0) {
    const NoGrad nothing_is_kept;
    return pass(kPasses[0], forward);
  }
  pass(kPasses[0], forward);
  check<UsageError>(y.requires_grad(), "xray: {} has no derivative: --order 0", target.name);
  const Tensor cotangent = normal_like(y, random);
  std::vector<Tensor> gradients;
  pass(kPasses[1], [&] {
    gradients = grad(std::vector{y}, subject.inputs, std::vector{cotangent},
                     {.create_graph = target.order == 2});
  });
  if (target.order == 1) return;
  std::vector<Tensor> outputs, directions;
  for (const Tensor& gradient : gradients) {
    if (!gradient.requires_grad()) continue;  // of a linear function
    outputs.push_back(gradient);
    directions.push_back(normal_like(gradient, random));
  }
  pass(kPasses[2], [&] {
    if (outputs.empty()) return;
    grad(outputs, subject.inputs, directions, {.retain_graph = true});
  });
}

/// What the kernels of the passes declare that they cannot avoid.
kernels::Work declared_work(const Subject& subject, const XrayTarget& target) {
  kernels::start_profile(true);
  try {
    differentiate(subject, target, [](const char*, const auto& program) { program(); });
  } catch (...) {
    kernels::stop_profile();
    throw;
  }
  kernels::stop_profile();
  const moe_bench::Counts counts = moe_bench::counts_of(kernels::profile(), 0.0);
  return {.bytes = counts.bytes, .flops = counts.flops};
}

XrayRun run(XrayMachine& machine, const XrayTarget& target, const Subject& subject,
            XrayRun described) {
  // First a turn that is not recorded: what a process does only once is no part of the operation.
  described.compulsory = declared_work(subject, target);
  synchronise(Device::kCuda);
  differentiate(subject, target,
                [&](const char* name, const auto& program) { machine.record(name, program); });
  described.recording = machine.take();
  return described;
}

DType dtype_of(const XrayTarget& target) {
  return target.dtype.empty() ? DType::kFloat32 : parse_dtype(target.dtype);
}

const OpCase& find_case(const std::vector<OpCase>& cases, const std::string& name) {
  std::vector<std::string> known;
  for (const OpCase& each : cases) {
    if (each.name == name) return each;
    known.push_back(each.name);
  }
  throw UsageError(fmt::format("xray: no operation '{}'{} (there are: {})", name,
                               did_you_mean(name, known), fmt::join(known, ", ")));
}

const std::vector<SizeParameter>& layer_sizes() {
  static const std::vector<SizeParameter> sizes = {{"tokens", 64},    {"width", 64, 1},
                                                   {"hidden", 64, 1}, {"out", 64, 1},
                                                   {"experts", 8, 1}, {"k", 2, 1}};
  return sizes;
}

}  // namespace

XrayRun xray_operation(XrayMachine& machine, const XrayTarget& target) {
  const std::vector<OpCase> cases = op_cases();
  const OpCase& chosen = find_case(cases, target.name.substr(target.name.find(':') + 1));
  const DType dtype = dtype_of(target);
  const std::int64_t size = std::max(target.size, chosen.smallest);
  CaseSource source{Generator(target.seed), Device::kCuda};
  const OpSample sample = chosen.sample(size, source);
  Subject subject{{}, sample.function};
  for (const Tensor& input : sample.inputs) {
    subject.inputs.push_back(input.to(dtype));
    if (target.order > 0) subject.inputs.back().set_requires_grad();
  }
  return run(
      machine, target, subject,
      {.name = fmt::format("{} {} size={} order={}", target.name, name(dtype), size, target.order),
       .about = {{"dtype", name(dtype)}, {"sizes", {{"size", size}}}}});
}

XrayRun xray_layer(XrayMachine& machine, const XrayTarget& target) {
  check<UsageError>(target.name == "layer:moe", "xray: no layer '{}' (there is: layer:moe)",
                    target.name);
  Sizes sizes(layer_sizes());
  set_sizes("xray", sizes, target.sizes);
  const DType dtype = dtype_of(target);
  Generator random(target.seed);
  const auto layer = std::make_shared<MoeLayer>(
      MoeConfig{.experts = sizes["experts"], .expert_width = sizes["hidden"], .top_k = sizes["k"]},
      sizes["width"], sizes["out"], dtype, random);
  layer->to(Device::kCuda);
  const Shape shape{sizes["tokens"], sizes["width"]};
  const Tensor tokens = random_normal(shape, DType::kFloat32, random.next(shape.numel())).to(dtype);
  Subject subject{{tokens.to(Device::kCuda)}, {}};
  for (const Tensor& parameter : nn::tensors_of(layer->parameters())) {
    subject.inputs.push_back(parameter);
  }
  if (target.order > 0) subject.inputs.front().set_requires_grad();
  subject.function = [layer](std::span<const Tensor> in) {
    return layer->forward(in[0], nn::Mode::evaluation()).y;
  };
  nlohmann::json given = nlohmann::json::object();
  for (const SizeParameter& each : sizes.parameters()) given[each.name] = sizes[each.name];
  return run(machine, target, subject,
             {.name = fmt::format("{} {} {} order={}", target.name, name(dtype), sizes.to_string(),
                                  target.order),
              .about = {{"dtype", name(dtype)}, {"sizes", given}}});
}

}  // namespace switchyard
