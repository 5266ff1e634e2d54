#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/autograd/rule.h"

namespace switchyard::graph {

/// The function that a rule is written in.
struct Excerpt {
  std::string file = {};  ///< "engine/ops/matmul.cpp", or the last part of a path outside the tree
  int line = 0;           ///< of the rule
  int first_line = 0;     ///< of `text`
  std::string text = {};  ///< whole lines; empty where the source is not to be had
};

/// The function around a place of the source, from the copies of engine/ops and engine/autograd
/// that are part of the program, else from the file itself, a user's own.
Excerpt excerpt(SourcePlace place);

/// The sources that are part of the program: path and text. cmake/graph_sources.cmake makes it.
const std::vector<std::pair<std::string_view, std::string_view>>& embedded_sources();

}  // namespace switchyard::graph
