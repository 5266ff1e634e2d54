#include "tests/models/moe_layer_support.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/ops/elementwise.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Row = std::vector<double>;
using Order = std::vector<std::size_t>;

/// Numbers of a tensor, read as [row][column] of its last two axes within entry `e` of axis 0.
struct Stack {
  explicit Stack(const Tensor& x) : shape(x.shape()), values(x.to_doubles()) {}
  double at(std::int64_t e, std::int64_t row, std::int64_t column) const {
    return values[static_cast<std::size_t>((e * shape[1] + row) * shape[2] + column)];
  }
  Shape shape;
  Row values;
};

double gelu_of(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }
double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double unit(const Row& u, std::int64_t j, std::int64_t hidden, const std::string& activation) {
  const double x = u[static_cast<std::size_t>(j)];
  if (activation == "relu") return std::max(x, 0.0);
  if (activation == "gelu") return gelu_of(x);
  return x * sigmoid_of(x) * u[static_cast<std::size_t>(hidden + j)];
}

Row answer(const ExpertParameters& experts, std::int64_t e, const Row& x,
           const std::string& activation) {
  const Stack w_in(experts.w_in), w_out(experts.w_out);
  const Row b_in = experts.b_in.defined() ? experts.b_in.to_doubles() : Row();
  const Row b_out = experts.b_out.defined() ? experts.b_out.to_doubles() : Row();
  const std::int64_t wide = w_in.shape[1], hidden = w_out.shape[2], out = w_out.shape[1];
  const auto bias = [&](const Row& b, std::int64_t width, std::int64_t i) {
    return b.empty() ? 0.0 : b[static_cast<std::size_t>(e * width + i)];
  };
  Row u, y;
  for (std::int64_t i = 0; i < wide; ++i) {
    double sum = bias(b_in, wide, i);
    for (std::size_t d = 0; d < x.size(); ++d) {
      sum += w_in.at(e, i, static_cast<std::int64_t>(d)) * x[d];
    }
    u.push_back(sum);
  }
  for (std::int64_t c = 0; c < out; ++c) {
    double sum = bias(b_out, out, c);
    for (std::int64_t j = 0; j < hidden; ++j) {
      sum += w_out.at(e, c, j) * unit(u, j, hidden, activation);
    }
    y.push_back(sum);
  }
  return y;
}

Order descending(const Row& values) {
  Order order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  return order;
}

Row softmax_of(const Row& x) {
  const double most = *std::max_element(x.begin(), x.end());
  Row p;
  for (const double value : x) p.push_back(std::exp(value - most));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

/// Selection values with -inf outside the best groups.
Row limited(const MoeConfig& config, Row selection) {
  const auto groups = static_cast<std::size_t>(config.groups);
  const std::size_t size = selection.size() / groups;
  Row worth;
  for (std::size_t g = 0; g < groups; ++g) {
    Row members(selection.begin() + static_cast<std::ptrdiff_t>(g * size),
                selection.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
    std::sort(members.rbegin(), members.rend());
    worth.push_back(config.is_sigmoid() && size > 1 ? members[0] + members[1] : members[0]);
  }
  const Order order = descending(worth);
  for (std::size_t i = static_cast<std::size_t>(config.chosen_groups); i < groups; ++i) {
    for (std::size_t e = 0; e < size; ++e) selection[order[i] * size + e] = -INFINITY;
  }
  return selection;
}

/// Weight of every expert for one token; 0 for those that are not chosen.
Row weights_of(const MoeLayer& layer, const Row& logits) {
  const MoeConfig& config = layer.config();
  Row scores = config.is_sigmoid() ? logits : softmax_of(logits);
  Row selection = logits;
  if (config.is_sigmoid()) {
    const Row bias = layer.gate().balancing_bias().to_doubles();
    for (std::size_t e = 0; e < scores.size(); ++e) {
      scores[e] = sigmoid_of(logits[e]);
      selection[e] = scores[e] + bias[e];
    }
  }
  Order order = descending(limited(config, selection));
  order.resize(static_cast<std::size_t>(config.top_k));
  double sum = 0.0;
  for (const std::size_t e : order) sum += scores[e];
  if (config.gate == "softmax_topk" || config.gate == "sigmoid") sum = 1.0;
  Row weights(logits.size(), 0.0);
  for (const std::size_t e : order) weights[e] = scores[e] / sum;
  return weights;
}

/// Weights of all tokens where each expert takes its best ones.
Matrix chosen_by_experts(const MoeConfig& config, const Matrix& logits) {
  const std::size_t tokens = logits.size();
  const auto experts = static_cast<std::size_t>(config.experts);
  Matrix weights(tokens, Row(experts, 0.0));
  std::size_t take = (tokens * static_cast<std::size_t>(config.top_k) + experts - 1) / experts;
  if (config.capacity > 0) take = static_cast<std::size_t>(config.capacity);
  for (std::size_t e = 0; e < experts; ++e) {
    Row column;
    for (const Row& row : logits) column.push_back(softmax_of(row)[e]);
    const Order order = descending(column);
    for (std::size_t i = 0; i < std::min(take, tokens); ++i) {
      weights[order[i]][e] = column[order[i]];
    }
  }
  return weights;
}

}  // namespace

std::unique_ptr<MoeLayer> random_moe_layer(const MoeConfig& config, std::int64_t width,
                                           std::int64_t out, DType dtype, std::uint64_t seed) {
  Generator random(seed);
  auto layer = std::make_unique<MoeLayer>(config, width, out, dtype, random);
  for (const nn::NamedTensor& parameter : layer->parameters()) {
    const double fan_in = static_cast<double>(parameter.tensor->shape().sizes().back());
    const bool gate = parameter.name == "gate.weight";
    const Tensor values = random_tensor(parameter.tensor->shape(), ++seed, dtype);
    parameter.tensor->copy_from(values * ((gate ? 2.0 : 1.0) / std::sqrt(fan_in)));
  }
  for (const nn::NamedTensor& buffer : layer->buffers()) {
    buffer.tensor->copy_from(random_tensor(buffer.tensor->shape(), ++seed, dtype) * 0.3);
  }
  return layer;
}

Matrix reference_moe(MoeLayer& layer, const Matrix& tokens) {
  const MoeConfig& config = layer.config();
  const Matrix gate = to_matrix(layer.gate().weight());
  Matrix logits;
  for (const Row& x : tokens) {
    Row row;
    for (const Row& w : gate) {
      row.push_back(std::inner_product(w.begin(), w.end(), x.begin(), 0.0) / config.temperature);
    }
    logits.push_back(row);
  }
  Matrix weights = chosen_by_experts(config, logits);
  Matrix result;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    if (!config.is_expert_choice()) weights[t] = weights_of(layer, logits[t]);
    Row y(static_cast<std::size_t>(layer.experts().w_out.size(1)), 0.0);
    for (std::size_t e = 0; e < weights[t].size(); ++e) {
      if (weights[t][e] == 0.0) continue;
      const Row part =
          answer(layer.experts(), static_cast<std::int64_t>(e), tokens[t], config.activation);
      for (std::size_t c = 0; c < y.size(); ++c) y[c] += weights[t][e] * part[c];
    }
    if (config.shared_experts > 0) {
      const Row part = answer(layer.shared_experts(), 0, tokens[t], config.activation);
      for (std::size_t c = 0; c < y.size(); ++c) y[c] += part[c];
    }
    result.push_back(y);
  }
  return result;
}

TensorFunction with_parameters(nn::Module& module, std::function<Tensor(std::span<const Tensor>)> f,
                               std::size_t inputs) {
  return [&module, f = std::move(f), inputs](std::span<const Tensor> in) {
    const std::vector<nn::NamedTensor> parameters = module.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) *parameters[i].tensor = in[inputs + i];
    return f(in.first(inputs));
  };
}

std::vector<Tensor> and_parameters(std::vector<Tensor> inputs, nn::Module& module) {
  for (const nn::NamedTensor& parameter : module.parameters()) {
    inputs.push_back(parameter.tensor->detach());
  }
  return inputs;
}

}  // namespace switchyard::test
