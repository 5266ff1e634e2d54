#include "tests/models/reference_heads.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using Row = std::vector<double>;

Row values(Head& head, const std::string& name) {
  for (const nn::PublishedTensor& parameter : nn::published(head.parameters())) {
    if (parameter.name == name) return parameter.tensor.to_doubles();
  }
  ADD_FAILURE() << "no parameter " << name;
  return {};
}

Row linear(Head& head, const std::string& name, const Row& x) {
  const Row w = values(head, name + ".weight");
  Row y = values(head, name + ".bias");
  for (std::size_t o = 0; o < y.size(); ++o) {
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
  }
  return y;
}

Row two_layers(Head& head, const std::string& first, const std::string& second, const Row& x) {
  Row hidden = linear(head, first, x);
  for (double& value : hidden) value = std::max(value, 0.0);
  return linear(head, second, hidden);
}

Row expert(Head& head, std::int64_t e, const Row& x) {
  const std::string prefix = "experts." + std::to_string(e) + ".net.";
  return two_layers(head, prefix + "0", prefix + "3", x);
}

Row softmax(Row x) {
  double total = 0.0;
  for (double& value : x) total += value = std::exp(value);
  for (double& value : x) value /= total;
  return x;
}

Row standardised(Row x) {
  const auto n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double squares = 0.0;
  for (const double value : x) squares += (value - mean) * (value - mean);
  for (double& value : x) value = (value - mean) / (std::sqrt(squares / (n - 1.0)) + 1e-5);
  return x;
}

Row chosen_weights(const Row& logits, const std::vector<std::int64_t>& chosen,
                   const std::string& order) {
  Row weights;
  double total = 0.0;
  const Row all = softmax(logits);
  for (const std::int64_t e : chosen) {
    weights.push_back(all[static_cast<std::size_t>(e)]);
    total += weights.back();
  }
  if (order == "softmax_topk") return weights;
  // A softmax over the kept logits and the kept part of a softmax, renormalised, are one function.
  for (double& weight : weights) weight /= total;
  return weights;
}

}  // namespace

Matrix to_matrix(const Tensor& x) {
  const Row flat = x.to_doubles();
  const auto columns = static_cast<std::size_t>(x.size(1));
  Matrix rows;
  for (std::size_t i = 0; i < flat.size(); i += columns) {
    rows.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(i),
                      flat.begin() + static_cast<std::ptrdiff_t>(i + columns));
  }
  return rows;
}

void randomise(nn::Module& module, std::uint64_t seed) {
  for (const nn::NamedTensor& parameter : module.parameters()) {
    Tensor& tensor = *parameter.tensor;
    tensor.copy_from(random_tensor(tensor.shape(), seed++, tensor.dtype()));
  }
}

ReferenceOutput reference_dense(Head& head, const Matrix& x) {
  ReferenceOutput output;
  for (const Row& row : x) output.logits.push_back(two_layers(head, "fc.0", "fc.3", row));
  return output;
}

ReferenceOutput reference_soft(Head& head, const HeadConfig& config, const Matrix& x) {
  ReferenceOutput output;
  for (const Row& row : x) {
    Row logits = linear(head, "gate", row);
    for (double& value : logits) value /= config.temperature;
    const Row p = softmax(logits);
    Row sum(static_cast<std::size_t>(config.classes), 0.0);
    for (std::int64_t e = 0; e < config.experts; ++e) {
      const Row answer = expert(head, e, row);
      for (std::size_t c = 0; c < sum.size(); ++c) {
        sum[c] += p[static_cast<std::size_t>(e)] * answer[c];
      }
    }
    output.logits.push_back(sum);
    output.router_logits.push_back(logits);
    output.probabilities.push_back(p);
  }
  return output;
}

ReferenceOutput reference_sparse(Head& head, const HeadConfig& config, std::int64_t k,
                                 const Matrix& x) {
  ReferenceOutput output;
  std::vector<std::int64_t> taken(static_cast<std::size_t>(config.experts), 0);
  for (const Row& row : x) {
    Row logits = standardised(linear(head, "gate.w_gate", row));
    for (double& value : logits) value /= config.temperature;
    std::vector<std::int64_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    order.resize(static_cast<std::size_t>(k));
    const Row weights = chosen_weights(logits, order, config.router_order);
    Row sum(static_cast<std::size_t>(config.classes), 0.0);
    Row p(logits.size(), 0.0);
    for (std::size_t j = 0; j < order.size(); ++j) {
      const auto e = static_cast<std::size_t>(order[j]);
      p[e] = weights[j];
      if (config.capacity > 0 && taken[e] == config.capacity) {
        ++output.dropped;
        continue;
      }
      ++taken[e];
      const Row answer = expert(head, order[j], row);
      for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weights[j] * answer[c];
    }
    output.logits.push_back(sum);
    output.router_logits.push_back(logits);
    output.probabilities.push_back(p);
    output.indices.push_back(order);
    output.weights.push_back(weights);
  }
  return output;
}

}  // namespace switchyard::test
