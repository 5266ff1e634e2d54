#include "training/trainer.h"

#include <chrono>
#include <cmath>

#include "engine/autograd/grad.h"
#include "engine/core/check.h"
#include "engine/io/safetensors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/finite.h"
#include "engine/ops/softmax.h"
#include "models/state.h"
#include "training/disk_space.h"
#include "training/nonfinite.h"

namespace switchyard {
namespace {

/// Purposes for which a run's seed is forked.
enum Stream : std::uint64_t { kInitialValues, kOrder, kNoise };

Generator stream(const TrainConfig& config, Stream purpose) {
  return Generator(config.seed).fork(purpose);
}

/// The operation of this name asks whether the loss and the gradients are finite.
constexpr std::string_view kStep = "training step";

std::vector<Tensor> with_loss(const Tensor& loss, const std::vector<Tensor>& gradients) {
  std::vector<Tensor> all = {loss.detach()};
  all.insert(all.end(), gradients.begin(), gradients.end());
  return all;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// "nan" without the sign that it may carry, "inf", "-inf".
std::string nonfinite_text(double x) { return std::isnan(x) ? "nan" : fmt::format("{}", x); }

/// describe_parameters() after a semicolon; nothing where the device no longer answers.
std::string parameters_clause(const std::vector<nn::NamedTensor>& parameters) {
  try {
    return "; " + describe_parameters(parameters);
  } catch (const std::exception&) {
    return "";
  }
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
  check(run_.owned(), "{}: opened for reading only", run_.path().string());
}

void Trainer::resume() {
  if (std::filesystem::exists(run_.checkpoint_file())) {
    state_ = load_checkpoint(run_.checkpoint_file(), *model_, optimizer_);
    random_ = Generator(state_.random.seed, state_.random.offset);
    check(state_.finished_epochs <= config_.epochs && state_.step < loader_.batches(),
          "{}: stands at epoch {}, step {}; the run has {} epochs of {} steps",
          run_.checkpoint_file().string(), state_.finished_epochs, state_.step, config_.epochs,
          loader_.batches());
    check(state_.best_epoch == 0 || std::filesystem::exists(run_.best_file()),
          "{}: missing, though epoch {} is finished", run_.best_file().string(),
          state_.finished_epochs);
  }
  truncate_metrics(run_.metrics_file(), state_.finished_epochs);
  if (state_.finished_epochs < config_.epochs) check_disk_space(run_.path(), bytes_to_come());
}

/// Returns what the run's files still grow by at most: the best weights, the checkpoint with the
/// optimiser's state, and a second checkpoint while it replaces the first.
std::uintmax_t Trainer::bytes_to_come() {
  const auto weights =
      static_cast<std::uintmax_t>(parameter_count(*model_)) * size_of(model_->dtype());
  std::uintmax_t checkpoint = weights;
  for (const nn::NamedTensor& each : optimizer_.state()) checkpoint += each.tensor->bytes();
  const auto missing = [](const std::filesystem::path& file, std::uintmax_t bytes) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored) ? 0 : bytes;
  };
  return checkpoint + missing(run_.checkpoint_file(), checkpoint) +
         missing(run_.best_file(), weights);
}

TrainingOutcome Trainer::run(const std::function<bool()>& should_stop) {
  while (state_.finished_epochs < config_.epochs) {
    const auto start = std::chrono::steady_clock::now();
    const bool stopped = !train_epoch(should_stop);
    if (stopped) {
      attempt([&] { save_within_epoch(start); });
      return TrainingOutcome::kStopped;
    }
    EpochMetrics metrics;
    attempt([&] { metrics = finish_epoch(start); });
    if (observer_.epoch) observer_.epoch(metrics);
    const bool last = state_.finished_epochs == config_.epochs;
    if (!last && should_stop && should_stop()) return TrainingOutcome::kStopped;
  }
  return TrainingOutcome::kFinished;
}

/// Calls `work`; what it throws, of whatever type, becomes fail().
void Trainer::attempt(const std::function<void()>& work) const {
  try {
    work();
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

/// Returns false when it was stopped before the epoch's last step.
bool Trainer::train_epoch(const std::function<bool()>& should_stop) {
  loader_.start_epoch(state_.finished_epochs);
  for (std::int64_t i = 0; i < state_.step; ++i) loader_.next();  // a resumed epoch
  while (next_step()) {
    if (observer_.step) {
      observer_.step({state_.finished_epochs + 1, config_.epochs, state_.step, loader_.batches(),
                      state_.sums.scores()});
    }
    if (should_stop && state_.step < loader_.batches() && should_stop()) return false;
  }
  return true;
}

/// Trains on the next batch; false where the epoch has no more. What goes wrong on the way, in the
/// device or in memory too, becomes fail().
bool Trainer::next_step() {
  try {
    const std::optional<Batch> batch = loader_.next();
    if (!batch) return false;
    train_step(*batch);
  } catch (const std::exception& error) {
    fail(fmt::format("{}{}", error.what(), parameters_clause(optimizer_.parameters())));
  }
  ++state_.step;
  return true;
}

/// Makes one step; on a GPU the host waits for it once, when it reads what came of it.
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
    throw Error(why_not(error, total, gradients));
  }
  state_.sums.add(results.output.logits, host_batch.labels, results.cross_entropy,
                  results.output.balance_loss);
  if (results.output.gate.probabilities.defined()) state_.gate.add(results.output.gate);
}

/// Says why a step was refused: what is not finite, where that is it, or what the error says.
std::string Trainer::why_not(const Error& error, const Tensor& loss,
                             const std::vector<Tensor>& gradients) const {
  const std::string what = error.what();
  if (!what.starts_with(fmt::format("[{}]", kStep))) return what;
  const std::string groups = nonfinite_groups(optimizer_.parameters(), gradients);
  const double value = loss.item();
  if (std::isfinite(value)) return "not finite are the gradients of " + groups;
  return fmt::format("the loss is {}, not finite are the gradients of {}", nonfinite_text(value),
                     groups.empty() ? "no parameter" : groups);
}

/// Throws an Error that says where the run stands and what is left of it.
void Trainer::fail(const std::string& what) const {
  const bool within = state_.step < loader_.batches();
  throw Error(fmt::format(
      "epoch {}, {}: {}; {}", state_.finished_epochs + 1,
      within ? fmt::format("step {} of {}", state_.step + 1, loader_.batches()) : "after its steps",
      what, kept()));
}

std::string Trainer::kept() const {
  std::error_code ignored;
  return std::filesystem::exists(run_.checkpoint_file(), ignored)
             ? fmt::format("{} is as it was", run_.checkpoint_file().string())
             : "no checkpoint was written yet";
}

double Trainer::rate() const {
  return learning_rate(config_, state_.finished_epochs, state_.step, loader_.batches());
}

/// The epoch's line of metrics, after a look at the model's state and at the scores: nothing that
/// is not finite may become the best epoch.
EpochMetrics Trainer::measure_epoch(std::chrono::steady_clock::time_point start) {
  check_finite();
  EpochMetrics metrics;
  metrics.epoch = state_.finished_epochs + 1;
  metrics.learning_rate =
      learning_rate(config_, state_.finished_epochs, loader_.batches() - 1, loader_.batches());
  metrics.train = state_.sums.scores();
  metrics.train_gate = state_.gate;
  metrics.validation =
      evaluate(*model_, data_.train, selection_.validation, config_.evaluation_batch_size);
  const double loss = metrics.validation.scores.loss;
  check(std::isfinite(loss), "the loss on the validation images is {}", nonfinite_text(loss));
  metrics.seconds = state_.epoch_seconds + seconds_since(start);
  return metrics;
}

/// Writes the files in an order that any kill leaves usable: the checkpoint, which says what the
/// others should hold, comes last.
EpochMetrics Trainer::finish_epoch(std::chrono::steady_clock::time_point start) {
  EpochMetrics metrics = measure_epoch(start);
  const double accuracy = metrics.validation.scores.accuracy;
  TrainingState next = state_;
  if (state_.best_epoch == 0 || accuracy > state_.best_validation_accuracy) {
    next.best_epoch = metrics.epoch;
    next.best_validation_accuracy = accuracy;
    run_.forget_results();
    write_safetensors(run_.best_file(), {state_dict(*model_), {}});
  } else if (run_.measured_weights() == RunWeights::kLast) {
    run_.forget_results();
  }
  append_metrics(run_.metrics_file(), metrics);
  next.finished_epochs = metrics.epoch;
  next.step = 0;
  next.sums = {};
  next.gate = {};
  next.epoch_seconds = 0.0;
  save(next);
  return metrics;
}

void Trainer::save_within_epoch(std::chrono::steady_clock::time_point start) {
  check_finite();
  TrainingState next = state_;
  next.epoch_seconds += seconds_since(start);
  save(next);
}

/// Error where a parameter, a running statistic or a momentum is not finite.
void Trainer::check_finite() {
  const auto check_part = [](const std::vector<nn::NamedTensor>& part, std::string_view what) {
    const std::string groups = nonfinite_groups(part, nn::tensors_of(part));
    check(groups.empty(), "not finite are the {} of {}", what, groups);
  };
  check_part(model_->parameters(), "parameters");
  std::vector<nn::NamedTensor> statistics = model_->buffers();
  std::erase_if(statistics,
                [](const auto& buffer) { return !is_floating(buffer.tensor->dtype()); });
  check_part(statistics, "running statistics");
  check_part(optimizer_.state(), "optimiser's numbers");
}

void Trainer::save(TrainingState next) {
  next.random = random_.position();
  save_checkpoint(run_.checkpoint_file(), *model_, optimizer_, next);
  state_ = std::move(next);
}

}  // namespace switchyard
