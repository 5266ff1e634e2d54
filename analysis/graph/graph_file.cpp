#include "analysis/graph/graph_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "analysis/graph/operations.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/core/suggest.h"

namespace switchyard::graph {
namespace {

using nlohmann::json;

/// One line of "operations".
struct Step {
  std::string name = {};
  std::vector<std::string> inputs = {};
  std::function<Tensor(std::span<const Tensor>)> compute = {};
};

void flatten(const json& value, std::size_t axis, std::vector<std::int64_t>& sizes,
             std::vector<double>& numbers, const std::string& where) {
  if (!value.is_array()) {
    check<UsageError>(value.is_number() && axis == sizes.size(),
                      "{}: expected numbers that nest as a shape does", where);
    numbers.push_back(value.get<double>());
    return;
  }
  const auto size = static_cast<std::int64_t>(value.size());
  if (axis == sizes.size() && numbers.empty()) {
    check<UsageError>(axis < Shape::kMaxRank && size > 0,
                      "{}: expected lists of at least one number, at most {} inside one another",
                      where, int{Shape::kMaxRank});
    sizes.push_back(size);
  }
  check<UsageError>(axis < sizes.size() && sizes[axis] == size,
                    "{}: its lists are not all of one length", where);
  for (const json& entry : value) flatten(entry, axis + 1, sizes, numbers, where);
}

Tensor tensor_of(const json& value, const std::string& where, Device device) {
  std::vector<std::int64_t> sizes = {};
  std::vector<double> numbers = {};
  flatten(value, 0, sizes, numbers, where);
  return Tensor::from(Shape(std::span<const std::int64_t>(sizes)), numbers).to(device);
}

constexpr double kMostInteger = 0x1p53;  // beyond it a double does not have every integer

Tensor integers_of(const json& value, const std::string& where, Device device) {
  const Tensor x = tensor_of(value, where, Device::kCpu);
  std::vector<std::int64_t> integers = {};
  for (const double number : x.span<double>()) {
    check<UsageError>(std::trunc(number) == number, "{}: expected whole numbers, got {}", where,
                      number);
    check<UsageError>(std::abs(number) <= kMostInteger, "{}: {} is more than 2^53", where, number);
    integers.push_back(static_cast<std::int64_t>(number));
  }
  return Tensor::from(x.shape(), integers).to(device);
}

std::vector<NamedValue> tensors_of(const json& object, const std::string& where, Device device,
                                   Tensor (*read)(const json&, const std::string&, Device)) {
  check<UsageError>(object.is_object(), "{}: expected an object of tensors by name", where);
  std::vector<NamedValue> values = {};
  for (const auto& [name, value] : object.items()) {
    values.push_back({name, read(value, where + "." + printable(name), device)});
  }
  return values;
}

std::vector<Step> read_steps(const json& list, const std::string& where) {
  check<UsageError>(list.is_array(), "{}: expected a list", where);
  std::vector<Step> steps = {};
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string here = fmt::format("{}[{}]", where, i);
    JsonObject fields(list[i], here);
    Step step{.name = fields.required<std::string>("name")};
    step.inputs = fields.required<std::vector<std::string>>("inputs");
    const NamedOperation& operation = find_operation(fields.required<std::string>("op"), here);
    check<UsageError>(step.inputs.size() == operation.inputs, "{}: {} takes {} inputs, got {}",
                      here, operation.name, operation.inputs, step.inputs.size());
    step.compute = operation.make(fields);
    fields.finish();
    steps.push_back(std::move(step));
  }
  return steps;
}

/// Puts steps in an order in which each comes after what it reads.
class Sorter {
 public:
  Sorter(const std::vector<Step>& steps, std::vector<std::string> given, std::string where)
      : steps_(steps), known_(std::move(given)), where_(std::move(where)) {
    for (std::size_t i = 0; i < known_.size(); ++i) claim(known_[i]);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      claim(steps[i].name);
      place_[steps[i].name] = i;
      known_.push_back(steps[i].name);
    }
    state_.resize(steps.size());
  }

  /// What `name` needs, in order.
  std::vector<std::size_t> order_for(const std::string& name) {
    visit(name, where_ + ": loss");
    return order_;
  }

 private:
  enum class State : std::uint8_t { kUnseen, kOpen, kDone };

  void claim(const std::string& name) {
    check<UsageError>(names_.insert(name).second, "{}: the name {} is given twice", where_,
                      printable(name));
  }

  void visit(const std::string& name, const std::string& reader) {
    check<UsageError>(names_.contains(name), "{}: nothing is called '{}'{}", reader,
                      printable(name), did_you_mean(name, known_));
    const auto found = place_.find(name);
    if (found == place_.end()) return;  // an input
    path_.push_back(name);
    State& state = state_[found->second];
    check<UsageError>(state != State::kOpen, "{}: operations go round in a cycle: {}", where_, [&] {
      const auto first = std::find(path_.begin(), path_.end(), name);
      return printable_list({first, path_.end()}, " <- ");
    });
    if (state == State::kUnseen) {
      state = State::kOpen;
      for (const std::string& input : steps_[found->second].inputs) {
        visit(input, fmt::format("{}: operations[{}]", where_, found->second));
      }
      state_[found->second] = State::kDone;
      order_.push_back(found->second);
    }
    path_.pop_back();
  }

  const std::vector<Step>& steps_;
  std::vector<std::string> known_;
  std::string where_;
  std::set<std::string> names_;
  std::map<std::string, std::size_t> place_;
  std::vector<State> state_;
  std::vector<std::string> path_;
  std::vector<std::size_t> order_;
};

std::vector<Tensor> read_direction(const json& object, const Problem& problem,
                                   const std::string& where, Device device) {
  std::map<std::string, Tensor> given;
  for (NamedValue& value : tensors_of(object, where, device, tensor_of)) {
    given[value.name] = value.value;
  }
  std::vector<Tensor> direction = {};
  for (const NamedValue& input : problem.inputs) {
    const auto found = given.find(input.name);
    if (found == given.end()) {
      direction.push_back(zeros_like(input.value));
      continue;
    }
    check<UsageError>(found->second.shape() == input.value.shape(),
                      "{}.{}: its shape is {}, the input's {}", where, printable(input.name),
                      found->second.shape(), input.value.shape());
    direction.push_back(found->second);
    given.erase(found);
  }
  check<UsageError>(given.empty(), "{}: no input is called '{}'", where,
                    [&] { return printable(given.begin()->first); });
  return direction;
}

std::vector<Tensor> random_direction(const Problem& problem) {
  Generator random(1);
  std::vector<Tensor> direction = {};
  for (const NamedValue& input : problem.inputs) {
    const Tensor& x = input.value;
    direction.push_back(random_normal(x.shape(), x.dtype(), random.next(x.numel())).to(x.device()));
  }
  return direction;
}

constexpr std::size_t kMostSteps = 2'000;  // the order is found by recursion

}  // namespace

Problem parse_graph(const json& document, const std::string& where, Device device) {
  JsonObject fields(document, where);
  Problem problem{.title = fields.optional<std::string>("title", where),
                  .about = fields.optional<std::string>("about", "")};
  problem.inputs =
      tensors_of(fields.required<json>("inputs"), where + ": inputs", device, tensor_of);
  check<UsageError>(!problem.inputs.empty(), "{}: inputs: expected at least one", where);
  problem.constants = tensors_of(fields.optional<json>("constants", json::object()),
                                 where + ": constants", device, tensor_of);
  for (NamedValue& value : tensors_of(fields.optional<json>("integers", json::object()),
                                      where + ": integers", device, integers_of)) {
    problem.constants.push_back(std::move(value));
  }
  const auto steps = std::make_shared<std::vector<Step>>(
      read_steps(fields.required<json>("operations"), where + ": operations"));
  check<UsageError>(steps->size() <= kMostSteps, "{}: operations: {} are more than {}", where,
                    steps->size(), kMostSteps);
  const auto loss = fields.required<std::string>("loss");
  std::vector<std::string> given = {};
  for (const NamedValue& value : problem.inputs) given.push_back(value.name);
  for (const NamedValue& value : problem.constants) given.push_back(value.name);
  const std::vector<std::size_t> order = Sorter(*steps, given, where).order_for(loss);
  problem.loss = [=, constants = problem.constants](std::span<const Tensor> in) {
    std::map<std::string, Tensor> values;
    for (std::size_t i = 0; i < given.size(); ++i) {
      values[given[i]] = i < in.size() ? in[i] : constants[i - in.size()].value;
    }
    for (const std::size_t i : order) {
      const Step& step = (*steps)[i];
      std::vector<Tensor> inputs;
      for (const std::string& name : step.inputs) inputs.push_back(values[name]);
      values[step.name] = step.compute(inputs);
    }
    const Tensor& result = values[loss];
    check<UsageError>(result.numel() == 1, "{}: loss: {} has shape {}, expected one number", where,
                      printable(loss), result.shape());
    return result;
  };
  problem.direction = fields.has("direction")
                          ? read_direction(fields.required<json>("direction"), problem,
                                           where + ": direction", device)
                          : random_direction(problem);
  fields.finish();
  return problem;
}

}  // namespace switchyard::graph
