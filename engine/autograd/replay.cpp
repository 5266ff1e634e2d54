#include "engine/autograd/replay.h"

#include <array>

#include "engine/autograd/observer.h"

namespace switchyard {
namespace {

std::vector<Numbers> numbers_of(std::span<const Tensor> tensors) {
  std::vector<Numbers> all;
  for (const Tensor& tensor : tensors) {
    all.push_back(tensor.defined() && is_floating(tensor.dtype()) ? tensor.to_doubles()
                                                                  : Numbers{});
  }
  return all;
}

class Witness : public Observer {
 public:
  explicit Witness(std::span<const Push> pushes) : pushes_(pushes) {}

  void node_born(const std::shared_ptr<Node>& node, std::span<const Tensor> outputs) override {
    const int number = static_cast<int>(replay.births.size());
    for (const Push& push : pushes_) {
      if (push.operand.birth == number) shift(outputs, push);
    }
    replay.number_of[node->id()] = number;
    replay.births.push_back({node, numbers_of(outputs)});
  }
  void rule_called(const Node& node, int pass, std::span<const Tensor> cotangents) override {
    open_.push_back(replay.calls.size());
    replay.calls.push_back({.birth = replay.number_of.at(node.id()),
                            .pass = pass,
                            .arrived = {cotangents.begin(), cotangents.end()},
                            .cotangents = numbers_of(cotangents)});
  }
  void rule_returned(const Node& /*node*/, int /*pass*/,
                     std::span<const Tensor> gradients) override {
    Replay::Call& call = replay.calls[open_.back()];
    open_.pop_back();
    call.left = {gradients.begin(), gradients.end()};
    call.gradients = numbers_of(gradients);
  }

  Replay replay;

 private:
  /// Overwrites the elements without saying so: the node that has just saved its output would
  /// otherwise refuse to be differentiated, and here it is meant to be.
  static void shift(std::span<const Tensor> outputs, const Push& push) {
    const Tensor& output = outputs[static_cast<std::size_t>(push.operand.output)];
    check(output.device() == Device::kCpu && output.dtype() == DType::kFloat64,
          "[explain] needs float64 on cpu, got {} on {}", name(output.dtype()),
          name(output.device()));
    auto* const elements = const_cast<double*>(output.span<double>().data());
    for (std::size_t i = 0; i < push.direction.size(); ++i) {
      elements[i] += push.distance * push.direction[i];
    }
  }

  std::span<const Push> pushes_;
  std::vector<std::size_t> open_;
};

using Points = std::array<Replay, 4>;  // at step, -step, 2 step, -2 step

/// The rate of the numbers that `of` finds in each replay.
template <class Of>
std::vector<Numbers> rates(const Points& points, double step, const Of& of) {
  std::vector<Numbers> result(of(points[0]).size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t count = of(points[0])[i].size();
    for (const Replay& point : points) {
      check(of(point).size() == result.size() && of(point)[i].size() == count,
            "[explain] two evaluations of the function gave results of different shapes");
    }
    for (std::size_t j = 0; j < count; ++j) {
      const auto at = [&](int p) { return of(points[static_cast<std::size_t>(p)])[i][j]; };
      result[i].push_back((8.0 * (at(0) - at(1)) - (at(2) - at(3))) / (12.0 * step));
    }
  }
  return result;
}

void check_same(const Replay& a, const Replay& b) {
  bool same = a.births.size() == b.births.size() && a.calls.size() == b.calls.size();
  for (std::size_t i = 0; same && i < a.births.size(); ++i) {
    same = a.births[i].node->name() == b.births[i].node->name();
  }
  check(same, "[explain] the function does not record the same operations at nearby points");
}

}  // namespace

const Numbers& Replay::numbers(Operand operand) const {
  if (operand.birth < 0) return leaves[static_cast<std::size_t>(-1 - operand.birth)];
  return births[static_cast<std::size_t>(operand.birth)]
      .outputs[static_cast<std::size_t>(operand.output)];
}

const Numbers& Rates::of(Operand operand) const {
  if (operand.birth < 0) return leaves[static_cast<std::size_t>(-1 - operand.birth)];
  return births[static_cast<std::size_t>(operand.birth)][static_cast<std::size_t>(operand.output)];
}

Replay replay(const std::function<void(std::span<const Tensor>)>& f, std::span<const Tensor> leaves,
              std::span<const Push> pushes) {
  Witness witness(pushes);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    witness.replay.number_of[leaves[i].node()->id()] = -1 - static_cast<int>(i);
  }
  witness.replay.leaves = numbers_of(leaves);
  const Observing observing(witness);
  f(leaves);
  return std::move(witness.replay);
}

Rates rates_of(const std::function<Replay(double distance)>& at, double step) {
  const Points points = {at(step), at(-step), at(2.0 * step), at(-2.0 * step)};
  for (const Replay& point : points) check_same(points[0], point);
  Rates result;
  result.leaves = rates(
      points, step, [](const Replay& r) -> auto& { return r.leaves; });
  for (std::size_t i = 0; i < points[0].births.size(); ++i) {
    result.births.push_back(rates(
        points, step, [i](const Replay& r) -> auto& { return r.births[i].outputs; }));
  }
  for (std::size_t i = 0; i < points[0].calls.size(); ++i) {
    result.cotangents.push_back(rates(
        points, step, [i](const Replay& r) -> auto& { return r.calls[i].cotangents; }));
    result.gradients.push_back(rates(
        points, step, [i](const Replay& r) -> auto& { return r.calls[i].gradients; }));
  }
  return result;
}

}  // namespace switchyard
