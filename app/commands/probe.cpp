#include <fmt/format.h>

#include <memory>

#include "app/command.h"
#include "app/device_option.h"
#include "app/model_files.h"
#include "engine/autograd/hvp.h"
#include "engine/core/check.h"
#include "engine/io/safetensors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"

namespace switchyard {
namespace {

struct Options {
  ModelFiles files;
  std::string out;
  std::string dtype = "float32";
  DeviceOptions device;
  std::string mode = "eval";
  std::string loss = "cross_entropy";
  std::uint64_t seed = 1;
};

void add_named(TensorMap& out, const std::string& prefix,
               const std::vector<nn::NamedTensor>& parameters, const std::vector<Tensor>& values) {
  for (const nn::PublishedTensor& value : nn::published(parameters, values)) {
    out[prefix + value.name] = to_file_layout(value.tensor, value.layout);
  }
}

Tensor chosen_loss(const Options& options, const Tensor& fit, const Tensor& balance) {
  return options.loss == "objective" && balance.defined() ? fit + balance : fit;
}

int probe(const Options& options) {
  const auto model =
      load_model(options.files, parse_dtype(options.dtype), use_device(options.device));
  const BatchFile file = read_batch(options.files.batch, *model, /*allow_direction=*/true);
  Generator random(options.seed);
  const nn::Mode mode = options.mode == "train" ? nn::Mode::train(random) : nn::Mode::evaluation();
  const ClassifierOutput output = model->forward(file.batch.images, mode);
  const Tensor fit = cross_entropy(output.logits, file.batch.labels);
  const Tensor loss = chosen_loss(options, fit, output.balance_loss);

  TensorFile result;
  TensorMap& out = result.tensors;
  out["logits"] = output.logits.detach();
  out["loss"] = loss.detach();
  if (output.balance_loss.defined()) out["balance_loss"] = output.balance_loss.detach();
  if (output.gate.probabilities.defined()) out["gate.probs"] = output.gate.probabilities.detach();
  if (output.gate.indices.defined()) out["gate.indices"] = output.gate.indices;

  const std::vector<nn::NamedTensor> parameters = model->parameters();
  const HessianOperator hessian(loss, nn::tensors_of(parameters));
  add_named(out, "grad.", parameters, hessian.gradient());
  if (!file.direction.empty()) {
    add_named(out, "hvp.", parameters, hessian.apply(file.direction));
  }
  write_safetensors(options.out, result);
  fmt::print("{}: loss {:.9g}, {} tensors\n", options.out, loss.item(), out.size());
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Writes, in PyTorch's layouts and in the dtype asked for:
  logits            [N, classes]
  loss              scalar, see --loss
  balance_loss      scalar: the head's weighted balance losses; not where none is on
  gate.probs        [N, E] gate probabilities, 0 for experts that were not chosen; MoE heads
  gate.indices      [N, k] int64 chosen experts, best first; sparse and hard heads
  grad.<parameter>  gradient of the loss
  hvp.<parameter>   Hessian of the loss times the direction; only with a direction

The batch may hold direction.<parameter> for any parameters; the others' direction is zero. Top-k
makes the loss piecewise smooth: its Hessian is that of the present routing.)";

Action add_probe(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  for (CLI::Option* option : add_model_options(command, options->files)) option->required();
  command.add_option("--out", options->out, "safetensors file to write")->required();
  command.add_option("--dtype", options->dtype, "Arithmetic: float32 or float64")
      ->check(CLI::IsMember({"float32", "float64"}))
      ->capture_default_str();
  add_device_options(command, options->device);
  command
      .add_option("--mode", options->mode,
                  "eval; train has batch statistics, dropout and gate noise")
      ->check(CLI::IsMember({"eval", "train"}))
      ->capture_default_str();
  command
      .add_option("--loss", options->loss,
                  "cross_entropy alone, or objective: plus the balance losses, as in training")
      ->check(CLI::IsMember({"cross_entropy", "objective"}))
      ->capture_default_str();
  command.add_option("--seed", options->seed, "Of dropout and noise in training mode")
      ->capture_default_str();
  return [=] { return probe(*options); };
}

const CommandRegistration kProbe(
    {Command::Group::kModels, "probe",
     "Logits, loss, gate, gradients and Hessian-vector products of a model on a batch", add_probe});

}  // namespace
}  // namespace switchyard
