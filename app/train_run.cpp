#include "app/train_run.h"

#include <fmt/format.h>

#include "app/output.h"

namespace switchyard {
namespace {

std::string epoch_line(const std::string& label, const EpochMetrics& metrics, std::int64_t epochs) {
  const Scores& validation = metrics.validation.scores;
  return fmt::format(
      "{}: epoch {}/{}  train loss {:.4f}, accuracy {:.2f} %  validation loss {:.4f}, accuracy "
      "{:.2f} %  {:.1f} s",
      label, metrics.epoch, epochs, unsigned_nan(metrics.train.loss),
      100.0 * metrics.train.accuracy, unsigned_nan(validation.loss), 100.0 * validation.accuracy,
      metrics.seconds);
}

std::string step_text(const std::string& label, const StepProgress& at) {
  return fmt::format("{}: epoch {}/{}, step {}/{}, loss {:.3f}, accuracy {:.1f} %", label, at.epoch,
                     at.epochs, at.step, at.steps, unsigned_nan(at.train.loss),
                     100.0 * at.train.accuracy);
}

}  // namespace

TrainingOutcome train_run(const RunDirectory& run, const DatasetPair& data, const StopSignal& stop,
                          Progress& progress, const std::string& label) {
  const std::int64_t epochs = run.config().epochs;
  TrainingObserver observer;
  observer.step = [&](const StepProgress& at) {
    const double within = static_cast<double>(at.step) / static_cast<double>(at.steps);
    progress.update((static_cast<double>(at.epoch - 1) + within) / static_cast<double>(epochs),
                    step_text(label, at));
  };
  observer.epoch = [&](const EpochMetrics& metrics) {
    progress.line(epoch_line(label, metrics, epochs));
  };
  Trainer trainer(run, data, observer);
  trainer.resume();
  const TrainingState& state = trainer.state();
  if (state.finished_epochs > 0 || state.step > 0) {
    progress.line(fmt::format("{}: continues after epoch {}, step {}", label, state.finished_epochs,
                              state.step));
  }
  const TrainingOutcome outcome = trainer.run([&] { return stop.requested(); });
  progress.clear();
  return outcome;
}

}  // namespace switchyard
