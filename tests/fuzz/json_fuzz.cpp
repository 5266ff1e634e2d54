// This target runs the JSON reader. What it accepts is written and read again, and must be the
// same.

#include "engine/io/json.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::may_refuse([&] {
    const nlohmann::json value = parse_json(fuzz::text_of(data, size), "input");
    if (parse_json(json_text(value), "again") != value) fuzz::fail("JSON changes when rewritten");
  });
  return 0;
}
