#include "engine/autograd/waiting_sums.h"

#include <utility>

#include "engine/autograd/node.h"

namespace switchyard {
namespace {

thread_local const Node* node_here = nullptr;
thread_local WaitingSums* sums_here = nullptr;

}  // namespace

Tensor take_waiting(std::size_t i) {
  return sums_here != nullptr ? sums_here->take(node_here->inputs()[i]) : Tensor();
}

WaitingScope::WaitingScope(const Node& node, WaitingSums* sums)
    : outer_node_(std::exchange(node_here, &node)), outer_sums_(std::exchange(sums_here, sums)) {}

WaitingScope::~WaitingScope() {
  node_here = outer_node_;
  sums_here = outer_sums_;
}

}  // namespace switchyard
