#include "training/trainer.h"

#include <chrono>
#include <cmath>

#include "engine/autograd/grad.h"
#include "engine/core/check.h"
#include "engine/io/safetensors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/finite.h"
#include "engine/ops/softmax.h"
#include "training/nonfinite.h"

namespace switchyard {
namespace {

/// Purposes for which a run's seed is forked.
enum Stream : std::uint64_t { kInitialValues, kOrder, kNoise };

Generator stream(const TrainConfig& config, Stream purpose) {
  return Generator(config.seed).fork(purpose);
}

/// Who asks whether the loss and the gradients are finite.
constexpr std::string_view kStep = "training step";

std::vector<Tensor> with_loss(const Tensor& loss, const std::vector<Tensor>& gradients) {
  std::vector<Tensor> all = {loss.detach()};
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Trainer::Trainer(const RunDirectory& run, const DatasetPair& data, TrainingObserver observer)
    : run_(run),
      config_(run.config()),
      data_(data),
      observer_(std::move(observer)),
      selection_(select_images(config_, data)),
      model_(make_classifier(config_.model, stream(config_, kInitialValues), config_.dtype,
                             parse_device(config_.device))),
      optimizer_(model_->parameters(), {.momentum = config_.optimizer.momentum,
                                        .weight_decay = config_.optimizer.weight_decay}),
      random_(stream(config_, kNoise)),
      loader_(data.train, selection_.train,
              {.batch_size = config_.batch_size,
               .augment = config_.data.augment,
               .dtype = config_.dtype},
              stream(config_, kOrder)) {
  state_.random = random_.position();
}

void Trainer::resume() {
  if (std::filesystem::exists(run_.checkpoint_file())) {
    state_ = load_checkpoint(run_.checkpoint_file(), *model_, optimizer_);
    random_ = Generator(state_.random.seed, state_.random.offset);
    check(state_.finished_epochs <= config_.epochs && state_.step < loader_.batches(),
          "{}: stands at epoch {}, step {}; the run has {} epochs of {} steps",
          run_.checkpoint_file().string(), state_.finished_epochs, state_.step, config_.epochs,
          loader_.batches());
  }
  truncate_metrics(run_.metrics_file(), state_.finished_epochs);
}

TrainingOutcome Trainer::run(const std::function<bool()>& should_stop) {
  while (state_.finished_epochs < config_.epochs) {
    const auto start = std::chrono::steady_clock::now();
    if (!train_epoch(should_stop)) {
      state_.epoch_seconds += seconds_since(start);
      save();
      return TrainingOutcome::kStopped;
    }
    finish_epoch(start);
    const bool last = state_.finished_epochs == config_.epochs;
    if (!last && should_stop && should_stop()) return TrainingOutcome::kStopped;
  }
  return TrainingOutcome::kFinished;
}

/// False when it was stopped before the epoch's last step.
bool Trainer::train_epoch(const std::function<bool()>& should_stop) {
  loader_.start_epoch(state_.finished_epochs);
  for (std::int64_t i = 0; i < state_.step; ++i) loader_.next();  // a resumed epoch
  while (const std::optional<Batch> batch = loader_.next()) {
    train_step(*batch);
    ++state_.step;
    if (observer_.step) {
      observer_.step({state_.finished_epochs + 1, config_.epochs, state_.step, loader_.batches(),
                      state_.sums.scores()});
    }
    if (should_stop && state_.step < loader_.batches() && should_stop()) return false;
  }
  return true;
}

/// One step; on a GPU the host waits for it once, when it reads what came of it.
void Trainer::train_step(const Batch& host_batch) {
  const Batch batch = to_device(host_batch, model_->device());
  Tensor total;
  std::vector<Tensor> gradients;
  BatchResults results;
  try {
    const ClassifierOutput output = model_->forward(batch.images, nn::Mode::train(random_));
    const Tensor fit = cross_entropy(output.logits, batch.labels);
    total = output.balance_loss.defined() ? fit + output.balance_loss : fit;
    gradients = grad(total, nn::tensors_of(optimizer_.parameters()));
    require_finite(kStep, with_loss(total, gradients));
    optimizer_.step(gradients, rate());  // a device does nothing where it knows of a fault
    results = read_results(output, fit);
  } catch (const Error& error) {
    fail_step(why_not(error, total, gradients));
  }
  state_.sums.add(results.output.logits, host_batch.labels, results.cross_entropy,
                  results.output.balance_loss);
  if (results.output.gate.probabilities.defined()) state_.gate.add(results.output.gate);
}

/// Why a step was refused: the router's reason, or what is not finite.
std::string Trainer::why_not(const Error& error, const Tensor& loss,
                             const std::vector<Tensor>& gradients) const {
  const std::string what = error.what();
  if (!what.starts_with(fmt::format("[{}]", kStep))) return what;
  const std::string groups = nonfinite_groups(optimizer_.parameters(), gradients);
  const double value = loss.item();
  if (std::isfinite(value)) return "not finite are the gradients of " + groups;
  return fmt::format("the loss is {}, not finite are the gradients of {}", value,
                     groups.empty() ? "no parameter" : groups);
}

void Trainer::fail_step(const std::string& what) const {
  const std::string kept = std::filesystem::exists(run_.checkpoint_file())
                               ? fmt::format("{} is as it was", run_.checkpoint_file().string())
                               : std::string("no checkpoint was written yet");
  throw Error(fmt::format("epoch {}, step {} of {}: {}; {}; {}", state_.finished_epochs + 1,
                          state_.step + 1, loader_.batches(), what,
                          describe_parameters(optimizer_.parameters()), kept));
}

double Trainer::rate() const {
  return learning_rate(config_, state_.finished_epochs, state_.step, loader_.batches());
}

/// Files in an order that any kill leaves usable: the checkpoint, which says what the others should
/// hold, comes last.
void Trainer::finish_epoch(std::chrono::steady_clock::time_point start) {
  EpochMetrics metrics;
  metrics.epoch = state_.finished_epochs + 1;
  metrics.learning_rate =
      learning_rate(config_, state_.finished_epochs, loader_.batches() - 1, loader_.batches());
  metrics.train = state_.sums.scores();
  metrics.train_gate = std::move(state_.gate);
  metrics.validation =
      evaluate(*model_, data_.train, selection_.validation, config_.evaluation_batch_size);
  const double accuracy = metrics.validation.scores.accuracy;
  if (state_.best_epoch == 0 || accuracy > state_.best_validation_accuracy) {
    state_.best_epoch = metrics.epoch;
    state_.best_validation_accuracy = accuracy;
    write_safetensors(run_.best_file(), {state_dict(*model_), {}});
  }
  metrics.seconds = state_.epoch_seconds + seconds_since(start);
  append_metrics(run_.metrics_file(), metrics);
  state_.finished_epochs = metrics.epoch;
  state_.step = 0;
  state_.sums = {};
  state_.gate = {};
  state_.epoch_seconds = 0.0;
  save();
  if (observer_.epoch) observer_.epoch(metrics);
}

void Trainer::save() {
  state_.random = random_.position();
  save_checkpoint(run_.checkpoint_file(), *model_, optimizer_, state_);
}

}  // namespace switchyard
