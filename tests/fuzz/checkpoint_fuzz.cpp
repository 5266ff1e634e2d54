// This target reads the state of a training run in a checkpoint's metadata.

#include "tests/fuzz/target.h"
#include "training/checkpoint.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::MemoryFile input;
  input.set(fuzz::text_of(data, size));
  fuzz::may_refuse([&] {
    const TrainingState state = read_training_state(input.path());
    if (state.finished_epochs < 0 || state.step < 0 || state.best_epoch > state.finished_epochs) {
      fuzz::fail("a count out of range");
    }
  });
  return 0;
}
