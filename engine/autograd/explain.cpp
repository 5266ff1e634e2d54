#include "engine/autograd/explain.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd/contraction.h"
#include "engine/autograd/local_rule.h"
#include "engine/autograd/replay.h"

namespace switchyard {
namespace {

/// One look at the derivatives of one order.
class Search {
 public:
  Search(const TensorFunction& f, const std::vector<Tensor>& inputs, int order,
         const ExplainOptions& options)
      : order_(order),
        options_(options),
        random_(options.seed),
        phi_(f, inputs, order, random_),
        point_(inputs) {
    point_.push_back(random_like(f(inputs), random_));
    base_ = at({}, 0.0);
    for (const Tensor& x : point_) everything_.push_back(random_like(x, random_).to_doubles());
    rates_ = moving([&](double distance) { return at_all(distance); });
  }

  std::optional<WrongRule> find() {
    for (std::size_t i = 0; i < base_.births.size(); ++i) {
      const Node& node = *base_.births[i].node;
      if (node.is_leaf() || node.pass() != order_ - 1) continue;
      if (auto wrong = look_at_birth(i)) return wrong;
    }
    for (std::size_t i = 0; i < base_.calls.size(); ++i) {
      if (base_.calls[i].pass != order_ - 1) continue;
      if (auto wrong = look_at_call(i)) return wrong;
    }
    return {};
  }

 private:
  /// The function at a point that differs from the base by `pushes`.
  Replay at(std::vector<Push> pushes, double distance) {
    std::vector<Tensor> leaves;
    for (std::size_t i = 0; i < point_.size(); ++i) {
      Numbers numbers = point_[i].to_doubles();
      for (Push& push : pushes) {
        push.distance = distance;
        if (push.operand.birth != -1 - static_cast<int>(i)) continue;
        for (std::size_t j = 0; j < numbers.size(); ++j) {
          numbers[j] += distance * push.direction[j];
        }
      }
      leaves.push_back(Tensor::from(point_[i].shape(), numbers).set_requires_grad());
    }
    return replay([&](std::span<const Tensor> x) { phi_(x); }, leaves, pushes);
  }
  Replay at_all(double distance) {
    std::vector<Push> pushes;
    for (std::size_t i = 0; i < everything_.size(); ++i) {
      pushes.push_back({.operand = {-1 - static_cast<int>(i), 0}, .direction = everything_[i]});
    }
    return at(pushes, distance);
  }
  template <class At>
  Rates moving(const At& at) {
    return rates_of(at, options_.step);
  }
  /// Rates while one operand alone is pushed, and whatever depends on it follows.
  Rates pushing(Operand operand) {
    const Numbers& numbers = base_.numbers(operand);
    const auto count = static_cast<std::int64_t>(numbers.size());
    const Tensor direction = random_normal({count}, DType::kFloat64, random_.next(count));
    const std::vector<Push> push = {{.operand = operand, .direction = direction.to_doubles()}};
    return moving([&](double distance) { return at(push, distance); });
  }

  /// False for what has no history, or one from before the function was called.
  bool varies(const Tensor& input) const {
    return input.requires_grad() && base_.number_of.contains(input.node()->id());
  }
  Operand operand_of(const Tensor& input) const {
    return {base_.number_of.at(input.node()->id()), input.output_index()};
  }

  // ---- a rule as the derivative of its operation

  Comparison compare(const Replay::Birth& birth, std::size_t number, const LocalRule& local,
                     const Rates& rates) const {
    Comparison result;
    for (std::size_t i = 0; i < birth.outputs.size(); ++i) {
      result.add(result.difference, local.cotangents[i], rates.births[number][i]);
      result.add_noise(local.cotangents[i], birth.outputs[i]);
    }
    const std::vector<Tensor>& inputs = birth.node->inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (local.gradients[i].empty()) continue;
      result.add(result.rule, local.gradients[i], rates.of(operand_of(inputs[i])));
    }
    return result;
  }

  /// Says whether a number without history, which a rule is not asked about, moves with the others:
  /// then this operation cannot be judged by itself, and the rule that made it is, as a whole.
  bool hidden_input_moves(const Node& node) const {
    return node.pass() > 0 &&
           std::any_of(node.inputs().begin(), node.inputs().end(), [](const Tensor& t) {
             return !t.requires_grad() && is_floating(t.dtype());
           });
  }

  std::optional<WrongRule> look_at_birth(std::size_t number) {
    const Replay::Birth& birth = base_.births[number];
    std::vector<bool> needed;
    for (const Tensor& input : birth.node->inputs()) needed.push_back(varies(input));
    const LocalRule local = ask_rule(birth.node, order_, birth.outputs, needed, random_);
    const Comparison whole = compare(birth, number, local, rates_);
    if (whole.error() <= options_.tolerance || hidden_input_moves(*birth.node)) return {};
    return by_input(*birth.node, whole,
                    [&](const Rates& rates) { return compare(birth, number, local, rates); });
  }

  /// Finds the input at fault by moving one after the other. What was born last can move alone;
  /// what is older moves the younger that depend on it.
  template <class Compare>
  WrongRule by_input(const Node& node, const Comparison& whole, const Compare& comparison_at) {
    const std::vector<Tensor>& inputs = node.inputs();
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (varies(inputs[i])) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return operand_of(inputs[a]).birth > operand_of(inputs[b]).birth;
    });
    for (const std::size_t i : order) {
      for (int draw = 0; draw < kDraws; ++draw) {
        const Comparison one = comparison_at(pushing(operand_of(inputs[i])));
        if (one.error() <= options_.tolerance) continue;
        return report(node, fmt::format("input {} {}", same_as(inputs, i), inputs[i].shape()), one);
      }
    }
    return report(node, "its inputs together", whole);
  }

  /// "0", or "0 and 1" where both are one tensor.
  std::string same_as(const std::vector<Tensor>& inputs, std::size_t number) const {
    std::string text;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!varies(inputs[i]) || operand_of(inputs[i]) != operand_of(inputs[number])) {
        continue;
      }
      text += text.empty() ? fmt::format("{}", i) : fmt::format(" and {}", i);
    }
    return text;
  }

  // ---- a rule as an operation that has a derivative itself

  Comparison compare(std::size_t number, const RuleDerivative& derivative,
                     const Rates& rates) const {
    const Replay::Call& call = base_.calls[number];
    Comparison result;
    for (std::size_t i = 0; i < derivative.weights.size(); ++i) {
      const Numbers& r = derivative.weights[i];
      if (r.empty()) continue;
      result.add(result.difference, r, rates.gradients[number][i]);
      result.add_noise(r, call.gradients[i]);
    }
    const std::vector<Tensor>& inputs =
        base_.births[static_cast<std::size_t>(call.birth)].node->inputs();
    for (std::size_t i = 0; i < derivative.by_inputs.size(); ++i) {
      if (derivative.by_inputs[i].empty() || !varies(inputs[i])) continue;
      result.add(result.rule, derivative.by_inputs[i], rates.of(operand_of(inputs[i])));
    }
    for (std::size_t i = 0; i < derivative.by_cotangents.size(); ++i) {
      if (derivative.by_cotangents[i].empty()) continue;
      result.add(result.rule, derivative.by_cotangents[i], rates.cotangents[number][i]);
    }
    return result;
  }

  /// A rule is linear in its cotangent c: <rule(c), r> is <derivative by c, c>.
  static Comparison linearity(const Replay::Call& call, const RuleDerivative& derivative) {
    Comparison result;
    for (std::size_t i = 0; i < derivative.weights.size(); ++i) {
      if (derivative.weights[i].empty()) continue;
      result.add(result.difference, derivative.weights[i], call.gradients[i]);
    }
    for (std::size_t i = 0; i < derivative.by_cotangents.size(); ++i) {
      if (derivative.by_cotangents[i].empty()) continue;
      result.add(result.rule, derivative.by_cotangents[i], call.cotangents[i]);
    }
    return result;
  }

  std::optional<WrongRule> look_at_call(std::size_t number) {
    const Replay::Call& call = base_.calls[number];
    const Node& node = *base_.births[static_cast<std::size_t>(call.birth)].node;
    RuleDerivative derivative;
    Comparison whole;
    Comparison linear;
    for (int draw = 0; draw < kDraws; ++draw) {
      RuleDerivative drawn = differentiate_rule(node, call, random_);
      const Comparison of_cotangent = linearity(call, drawn);
      if (of_cotangent.error() > linear.error()) linear = of_cotangent;
      const Comparison of_all = compare(number, drawn, rates_);
      if (draw > 0 && of_all.error() <= whole.error()) continue;
      whole = of_all;
      derivative = std::move(drawn);
    }
    if (linear.error() > options_.tolerance) {
      return report(node, fmt::format("cotangent {}", node.outputs()[0].shape()), linear);
    }
    if (whole.error() <= options_.tolerance) return {};
    return by_input(node, whole,
                    [&](const Rates& rates) { return compare(number, derivative, rates); });
  }

  WrongRule report(const Node& node, std::string operand, const Comparison& comparison) const {
    WrongRule wrong{.operation = std::string(node.name()),
                    .place = node.rule().place(),
                    .order = order_,
                    .operand = std::move(operand),
                    .rule = comparison.rule,
                    .difference = comparison.difference,
                    .error = comparison.error()};
    const auto parent = base_.number_of.find(node.parent());
    if (parent != base_.number_of.end() && parent->second >= 0) {
      wrong.made_by = base_.births[static_cast<std::size_t>(parent->second)].node->name();
    }
    return wrong;
  }

  /// Of random directions: one alone may happen to be at a right angle to the fault.
  static constexpr int kDraws = 3;

  int order_;
  ExplainOptions options_;
  Generator random_;
  Contraction phi_;
  std::vector<Tensor> point_;  // x, then the cotangent of f(x)
  std::vector<Numbers> everything_;
  Replay base_;
  Rates rates_;  // while everything moves
};

}  // namespace

std::optional<WrongRule> explain(const TensorFunction& f, std::vector<Tensor> inputs,
                                 const ExplainOptions& options) {
  check(options.order >= 1, "[explain] order {} is below 1", options.order);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check(inputs[i].defined() && inputs[i].dtype() == DType::kFloat64 &&
              inputs[i].device() == Device::kCpu,
          "[explain] input {} must be float64 on cpu, got {} on {}", i, name(inputs[i].dtype()),
          name(inputs[i].device()));
    inputs[i] = inputs[i].detach();
  }
  const GradMode recording(true);
  for (int order = 1; order <= options.order; ++order) {
    if (auto wrong = Search(f, inputs, order, options).find()) return wrong;
  }
  return {};
}

std::string text_of(const WrongRule& wrong) {
  const std::string_view file = wrong.place.file;
  std::string text = fmt::format(
      "the rule of {} ({}:{}) is wrong at order {}, by {}: it has {:.9g} where finite differences "
      "have {:.9g}, an error of {:.1e}",
      wrong.operation, file.substr(file.rfind('/') + 1), wrong.place.line, wrong.order,
      wrong.operand, wrong.rule, wrong.difference, wrong.error);
  if (!wrong.made_by.empty()) text += fmt::format("; the rule of {} made it", wrong.made_by);
  return text;
}

}  // namespace switchyard
