// This target applies settings of the command line, PATH=VALUE, one a line, each laid over the one
// before.

#include "engine/io/json.h"
#include "tests/fuzz/target.h"
#include "training/presets.h"
#include "training/settings.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  fuzz::may_refuse([&] {
    nlohmann::json config = to_json(quick_training());
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      config = merge_settings(config, parse_setting(std::string(rest.substr(0, end))));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    parse_train_config(config, "input");
  });
  return 0;
}
