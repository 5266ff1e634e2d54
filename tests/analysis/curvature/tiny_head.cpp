#include "tests/analysis/curvature/tiny_head.h"

#include "analysis/curvature/vectors.h"
#include "engine/autograd/grad.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"
#include "tests/analysis/curvature/matrix_operator.h"

namespace switchyard {
namespace {

constexpr std::int64_t kFeatures = 6;
constexpr std::int64_t kClasses = 3;

Tensor rows_of(const Tensor& labels, std::int64_t begin, std::int64_t end) {
  return Tensor::from({end - begin},
                      labels.span<std::int64_t>().subspan(static_cast<std::size_t>(begin),
                                                          static_cast<std::size_t>(end - begin)));
}

}  // namespace

TinyHead::TinyHead(const std::string& name, std::int64_t rows, std::uint64_t seed, DType dtype) {
  HeadConfig config;
  config.name = name;
  config.classes = kClasses;
  config.experts = 3;
  config.expert_width = 4;
  config.width = 10;
  Generator random(seed);
  Generator same = random;
  const std::unique_ptr<Head> wide = make_head(config, kFeatures, DType::kFloat64, random);
  head = make_head(config, kFeatures, dtype, same);
  parameters = nn::tensors_of(head->parameters());
  const std::vector<Tensor> values = nn::tensors_of(wide->parameters());
  for (std::size_t i = 0; i < values.size(); ++i) parameters[i].copy_from(values[i].to(dtype));
  features =
      random_normal({rows, kFeatures}, DType::kFloat64, random.next(rows * kFeatures)).to(dtype);
  labels = Tensor::empty({rows}, DType::kInt64);
  for (std::int64_t i = 0; i < rows; ++i) {
    labels.data<std::int64_t>()[i] = (i * i + i / 2) % kClasses;
  }
}

Tensor TinyHead::logits(std::int64_t begin, std::int64_t end) const {
  return head->forward(slice_rows(features, begin, end), nn::Mode::evaluation()).logits;
}

std::vector<LogitsTerm> TinyHead::terms(const std::vector<std::int64_t>& borders) const {
  std::vector<LogitsTerm> terms;
  std::int64_t begin = 0;
  for (const std::int64_t end : borders) {
    terms.push_back({[this, begin, end] { return logits(begin, end); }, rows_of(labels, begin, end),
                     static_cast<double>(end - begin) / static_cast<double>(features.size(0))});
    begin = end;
  }
  return terms;
}

Tensor TinyHead::loss() const { return cross_entropy(logits(0, features.size(0)), labels); }

Eigen::MatrixXd TinyHead::finite_difference_hessian() {
  const double h = 1e-4;
  const Eigen::VectorXd center = flatten(parameters);
  const auto move_to = [&](const Eigen::VectorXd& theta) {
    const std::vector<Tensor> values = unflatten(theta, parameters);
    for (std::size_t i = 0; i < values.size(); ++i) parameters[i].copy_from(values[i]);
  };
  const auto gradient_at = [&](const Eigen::VectorXd& theta) {
    move_to(theta);
    return flatten(grad(loss(), parameters));
  };
  const Eigen::Index n = center.size();
  Eigen::MatrixXd hessian(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const Eigen::VectorXd d = h * Eigen::VectorXd::Unit(n, i);
    hessian.col(i) = (8.0 * (gradient_at(center + d) - gradient_at(center - d)) -
                      (gradient_at(center + 2.0 * d) - gradient_at(center - 2.0 * d))) /
                     (12.0 * h);
  }
  move_to(center);
  return hessian;
}

Eigen::MatrixXd TinyHead::jacobian() const {
  const Tensor output = logits(0, features.size(0));
  Eigen::MatrixXd rows(output.numel(), dimension(parameters));
  for (std::int64_t i = 0; i < output.numel(); ++i) {
    Tensor unit = zeros_like(output);
    unit.data<double>()[i] = 1.0;
    rows.row(i) = flatten(
        grad(std::span(&output, 1), parameters, std::span(&unit, 1), {.retain_graph = true}));
  }
  return rows;
}

Eigen::MatrixXd TinyHead::probabilities() const {
  const std::vector<double> p = softmax(logits(0, features.size(0))).to_doubles();
  return Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>>(
      p.data(), features.size(0), kClasses);
}

}  // namespace switchyard
