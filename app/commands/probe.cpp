#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/compute_options.h"
#include "app/model_files.h"
#include "app/option_values.h"
#include "app/output.h"
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
  ComputeOptions compute;
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
      load_model(options.files, parse_dtype(options.dtype), start_computing(options.compute));
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
  if (json_wanted()) {
    print_json({{"out", options.out}, {"loss", loss.item()}, {"tensors", out.size()}});
  } else {
    print_text("{}: loss {:.9g}, {} tensors\n", options.out, unsigned_nan(loss.item()), out.size());
  }
  return kSuccess;
}

constexpr const char* kFooter =
    R"(Writes, in PyTorch's layouts and in the dtype asked for:
  logits            [N, classes]
  loss              scalar, see --loss
  balance_loss      scalar: the weighted balance losses of the head; only where one is on
  gate.probs        [N, E] gate probabilities, 0 for experts that were not chosen; of MoE heads
  gate.indices      [N, k] int64 chosen experts, best first; of sparse and hard heads
  grad.<parameter>  gradient of the loss
  hvp.<parameter>   Hessian of the loss times the direction; only with a direction

The batch can hold direction.<parameter> for some parameters; the direction of the others is zero.
Top-k makes the loss piecewise smooth, and its Hessian here is the one of the present routing.)";

Action add_probe(CLI::App& command) {
  command.footer(kFooter);
  const auto options = std::make_shared<Options>();
  for (CLI::Option* option : add_model_options(command, options->files)) option->required();
  command.add_option("--out", options->out, "Write this safetensors file")
      ->type_name("FILE")
      ->required();
  command.add_option("--dtype", options->dtype, "Compute in float32 or float64")
      ->check(one_of({"float32", "float64"}))
      ->capture_default_str();
  command
      .add_option("--mode", options->mode,
                  "eval, or train: with batch statistics, dropout and gate noise")
      ->check(one_of({"eval", "train"}))
      ->capture_default_str();
  command
      .add_option(
          "--loss", options->loss,
          "cross_entropy alone, or objective: with the balance losses added, as in\ntraining")
      ->check(one_of({"cross_entropy", "objective"}))
      ->capture_default_str();
  command
      .add_option("--seed", options->seed,
                  "Draw dropout and gate noise from this seed, with --mode train")
      ->check(whole_number(0, kAnyUnsigned))
      ->capture_default_str();
  add_compute_options(command, options->compute, "cpu");
  return [=] { return probe(*options); };
}

const CommandRegistration kProbe(
    {Command::Group::kModels, "probe",
     "Write logits, loss, gate, gradients and Hessian-vector products of a model on a batch",
     add_probe});

}  // namespace
}  // namespace switchyard
