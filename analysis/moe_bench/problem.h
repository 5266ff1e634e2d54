#pragma once

#include <optional>
#include <vector>

#include "analysis/moe_bench/distribution.h"
#include "analysis/moe_bench/order.h"
#include "engine/core/device.h"
#include "engine/ops/moe.h"

namespace switchyard::moe_bench {

/// A layer with its tokens and their routing on a device, and the numbers that every variant is
/// compared with. Tensors are standard normal, the matrices divided by the square root of what
/// they sum over, so that everything is of unit scale. Logits and weights are float32 where the
/// dtype is bfloat16, as a gate's always are.
struct LayerProblem {
  Workload workload;
  Draw draw;
  DType dtype = DType::kFloat32;
  Tensor logits;   ///< [T, E]
  Tensor x;        ///< [T, D]
  Tensor weights;  ///< [T, k]
  Tensor gy;       ///< [T, C], the cotangent of the result
  ExpertParameters experts;
  Routing routing;
  std::int64_t active = 0;  ///< experts that have tokens
  /// Share of empty rows in tiles of kTileSlots slots, of which none holds slots of two experts:
  /// what a product over tiles computes for nothing.
  double tile_padding = 0.0;
  static constexpr std::int64_t kTileSlots = 64;  ///< of the kernels' (docs/kernels/moe.md)

  Device device() const { return x.device(); }
  /// x, weights, w_in, w_out and the biases that there are.
  std::vector<Tensor> inputs() const;
  /// One direction per input, for Hessian-vector products; standard normal.
  std::vector<Tensor> directions() const;
  /// The same numbers, converted.
  LayerProblem to(DType dtype, Device device) const;
};

/// Draws the problem. `choices` [T, k] are a trace's, else undefined.
LayerProblem make_layer_problem(const Workload& workload, Draw draw, DType dtype, Device device,
                                const Tensor& choices = {});

/// What float64 on the host makes of a problem by moe_composed(), which shares nothing with the
/// layer's own kernels.
struct Reference {
  Tensor u;                       ///< [S, H'], the pre-activations
  Tensor y;                       ///< [T, C]
  std::vector<Tensor> gradients;  ///< of <gy, y> by each of inputs()
  std::vector<Tensor> products;   ///< its Hessian times directions()
};
/// Computes as much as the order needs.
Reference reference_of(const LayerProblem& problem, Order order);

/// ‖a - b‖ / ‖b‖ over all elements of both lists in float64; infinite where sizes differ or
/// anything is not finite. The largest over the pairs of tensors.
double largest_error(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

/// What a right result of the order may differ from the reference by. Derivatives of ReLU jump
/// where rounding switches a unit, which each costs its whole share: a few of 10⁵ units in float32,
/// of 10³ in bfloat16.
double tolerance(Order order, DType dtype, kernels::ExpertActivation activation);

}  // namespace switchyard::moe_bench
