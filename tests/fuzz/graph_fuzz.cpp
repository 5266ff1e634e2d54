// A graph out of a file, and a document of `graph --json` as `diff` reads it.

#include "analysis/graph/graph_file.h"
#include "analysis/graph/parting.h"
#include "engine/io/json.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::may_refuse([&] {
    const nlohmann::json document = parse_json(fuzz::text_of(data, size), "input");
    fuzz::may_refuse([&] {
      const std::vector<graph::Step> steps = graph::steps_of(document, "input");
      if (graph::first_parting(steps, steps, 0.0)) fuzz::fail("a document parts from itself");
    });
    const graph::Problem problem = graph::parse_graph(document, "input", Device::kCpu);
    if (problem.direction.size() != problem.inputs.size()) fuzz::fail("a direction is missing");
  });
  return 0;
}
