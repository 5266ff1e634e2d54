#include "app/graph_subject.h"

#include "analysis/graph/examples.h"
#include "analysis/graph/graph_file.h"
#include "analysis/graph/model_problem.h"
#include "app/option_values.h"
#include "engine/core/check.h"
#include "engine/io/json.h"

namespace switchyard {

void add_graph_subject(CLI::App& command, GraphSubjectOptions& options) {
  command.add_option("EXAMPLE", options.example, "An example, or a file that ends in .json");
  add_model_options(command, options.files);
  command.add_option("--dtype", options.dtype, "Compute a model in float32 or float64")
      ->check(one_of({"float32", "float64"}))
      ->capture_default_str();
  command.add_option("--mode", options.mode, "Run a model as in eval or as in train")
      ->check(one_of({"eval", "train"}))
      ->capture_default_str();
  command
      .add_option("--seed", options.seed,
                  "Draw dropout and gate noise from this seed, with --mode train")
      ->check(whole_number(1, kAnyUnsigned))
      ->capture_default_str();
}

GraphSubject graph_subject(const std::string& command, const GraphSubjectOptions& options,
                           Device device) {
  const ModelFiles& files = options.files;
  const bool of_model = !files.model.empty();
  check<UsageError>(of_model || !options.example.empty(),
                    "{}: name an example or a file, or give --model with --batch", command);
  check<UsageError>(!of_model || options.example.empty(), "{}: '{}' and --model exclude each other",
                    command, options.example);
  if (!of_model && options.example.ends_with(".json")) {
    return {nullptr, graph::parse_graph(read_json(options.example), options.example, device)};
  }
  if (!of_model) return {nullptr, graph::find_example(options.example, device)};
  check<UsageError>(!files.batch.empty() && !files.weights.empty(),
                    "{}: --model needs --weights and --batch", command);
  GraphSubject subject{load_model(files, parse_dtype(options.dtype), device), {}};
  BatchFile file = read_batch(files.batch, *subject.model, /*allow_direction=*/true);
  subject.problem = graph::model_problem(*subject.model, file.batch, std::move(file.direction),
                                         options.mode == "train" ? options.seed : 0);
  return subject;
}

}  // namespace switchyard
