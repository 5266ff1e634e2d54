#pragma once

#include <string>

#include "app/progress.h"
#include "app/signals.h"
#include "data/dataset.h"
#include "training/run_directory.h"
#include "training/trainer.h"

namespace switchyard {

/// Trains a run to its end, from its checkpoint if it has one, and shows how it goes. `label` leads
/// every line. Stops, saved, when `stop` is requested.
TrainingOutcome train_run(const RunDirectory& run, const DatasetPair& data, const StopSignal& stop,
                          Progress& progress, const std::string& label);

}  // namespace switchyard
