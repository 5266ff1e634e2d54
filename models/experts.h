#pragma once

#include "engine/nn/module.h"
#include "engine/ops/routing.h"
#include "models/model_config.h"

namespace switchyard {

/// E experts of one shape: linear D -> H, ReLU, dropout, linear H -> C. The experts' weights lie
/// one behind the other in four parameters, as the products below read them; files hold each
/// expert's under the names 0.net.0.weight, 0.net.3.bias, ...
class Experts : public nn::Module {
 public:
  Experts(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random);

  /// Σ_e p[n, e]·expert_e(x[n]): x [N, D], p [N, E] -> [N, C]. Runs every expert.
  Tensor mix(const Tensor& x, const Tensor& p, nn::Mode mode) const;

  /// Σ_j weights[n, j]·expert_{indices[n, j]}(x[n]) over the assignments that were not dropped: x
  /// [N, D], weights [N, k] -> [N, C]. Runs each expert on its own samples only.
  Tensor route(const Tensor& x, const Tensor& weights, const Routing& routing, nn::Mode mode) const;

 private:
  double dropout_;
  Tensor w1_;  // [E, H, D]
  Tensor b1_;  // [E, H]
  Tensor w2_;  // [E, C, H]
  Tensor b2_;  // [E, C]
};

}  // namespace switchyard
