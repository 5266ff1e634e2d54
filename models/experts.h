#pragma once

#include <memory>
#include <vector>

#include "engine/nn/layers.h"
#include "engine/ops/routing.h"
#include "models/config.h"

namespace switchyard {

/// E experts of one shape: linear D -> H, ReLU, dropout, linear H -> C. Names 0.net.0.weight,
/// 0.net.3.bias, ... Each expert's tensors are parameters of their own; the products below run on
/// their stacked copies.
class Experts : public nn::Module {
 public:
  Experts(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random);

  /// Σ_e p[n, e]·expert_e(x[n]): x [N, D], p [N, E] -> [N, C]. Runs every expert.
  Tensor mix(const Tensor& x, const Tensor& p, nn::Mode mode) const;

  /// Σ_j weights[n, j]·expert_{indices[n, j]}(x[n]) over the assignments that were not dropped: x
  /// [N, D], weights [N, k] -> [N, C]. Runs each expert on its own samples only.
  Tensor route(const Tensor& x, const Tensor& weights, const Routing& routing, nn::Mode mode) const;

 private:
  struct Expert {
    nn::Linear hidden;
    nn::Linear output;
  };
  // One tensor per expert, picked by `select`.
  template <class Select>
  std::vector<Tensor> each(Select&& select) const;

  double dropout_;
  std::vector<std::unique_ptr<Expert>> experts_;
};

}  // namespace switchyard
