#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "analysis/graph/problem.h"
#include "app/model_files.h"

namespace switchyard {

/// Says what to differentiate: an example, a graph out of a file, or a model on a batch.
struct GraphSubjectOptions {
  std::string example;
  ModelFiles files;
  std::string dtype = "float32";
  std::string mode = "eval";
  std::uint64_t seed = 1;
};

/// Adds EXAMPLE, --model, --weights, --batch, --dtype, --mode and --seed.
void add_graph_subject(CLI::App& command, GraphSubjectOptions& options);

/// The model outlives the problem that refers to it.
struct GraphSubject {
  std::unique_ptr<Classifier> model;
  graph::Problem problem;
};

/// UsageError beginning with `command`: nothing named, or two things; those of reading either.
GraphSubject graph_subject(const std::string& command, const GraphSubjectOptions& options,
                           Device device);

}  // namespace switchyard
