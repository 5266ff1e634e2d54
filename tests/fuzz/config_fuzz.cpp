// This target reads configurations of a training run and of a model. What is accepted is written
// and read again, and every rate that its schedule has at its ends must be a number.

#include <cmath>

#include "engine/io/json.h"
#include "tests/fuzz/target.h"
#include "training/train_config.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::may_refuse([&] {
    const nlohmann::json document = parse_json(fuzz::text_of(data, size), "input");
    fuzz::may_refuse([&] { parse_model_config(document, "input"); });
    const TrainConfig config = parse_train_config(document, "input");
    if (to_json(parse_train_config(to_json(config), "again")) != to_json(config)) {
      fuzz::fail("a configuration changes when rewritten");
    }
    const std::int64_t steps = kMaxImages / config.batch_size + 1;
    for (const std::int64_t epoch : {std::int64_t{0}, config.epochs - 1}) {
      if (std::isnan(learning_rate(config, epoch, steps - 1, steps))) fuzz::fail("a rate is NaN");
    }
  });
  return 0;
}
