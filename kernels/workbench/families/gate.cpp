#include "kernels/workbench/gate_problem.h"

namespace switchyard::kernels::workbench {
namespace {

struct GateCase : GateProblem {
  static constexpr const char* kComputes =
      "the k largest of dropout(logits + deviation * noise) / temperature, and their weights";

  /// order: 0 softmax over the kept, 1 over all, 2 over all and renormalised.
  static std::vector<SizeParameter> parameters() {
    return {
        {"tokens", 2048}, {"experts", 8, 1}, {"k", 2, 1}, {"order", 0, 0, 2}, {"noisy", 1, 0, 1}};
  }
  static std::vector<std::vector<std::int64_t>> odd_sizes() {
    return {{0, 4, 2, 0, 0},   {1, 1, 1, 0, 0},    {1, 1, 1, 1, 1},     {31, 4, 4, 0, 0},
            {31, 4, 4, 1, 1},  {5, 3, 2, 0, 0},    {5, 3, 2, 0, 1},     {5, 3, 2, 1, 0},
            {5, 3, 2, 1, 1},   {5, 3, 2, 2, 0},    {5, 3, 2, 2, 1},     {127, 7, 2, 0, 1},
            {127, 7, 2, 1, 0}, {127, 7, 2, 2, 1},  {65, 8, 2, 0, 0},    {33, 16, 3, 2, 0},
            {33, 33, 4, 1, 1}, {31, 160, 8, 0, 1}, {3, 160, 160, 2, 0}, {9, 256, 1, 0, 1},
            {5, 300, 3, 2, 1}};
  }
  template <class T>
  static void problem(const Sizes& s, Problem& p) {
    const Chosen chosen = choose<T>(s, p);
    Expected& values = p.result<T>({s["tokens"], s["experts"]});
    std::copy(chosen.values.begin(), chosen.values.end(), values.begin());
  }
  template <class T>
  static Gate<T> arguments(const Sizes& s, Arguments& p) {
    Gate<T> arguments = gate<T>(s, p);
    arguments.values = p.at<T>(5);
    return arguments;
  }
};

}  // namespace

Family gate_family() {
  return {.name = "gate",
          .sources = {"kernels/cuda/gate.cu", "kernels/cuda/gate_separate.cu"},
          .page = "docs/kernels/gate.md",
          .entry_points = {describe<GateCase, float, double>()}};
}

}  // namespace switchyard::kernels::workbench
