#include "kernels/cpu/moe_widened.h"

#include <optional>

#include "kernels/api/run.h"
#include "kernels/api/shape.h"
#include "kernels/common/device_array.h"
#include "kernels/cpu/moe_fused.h"

namespace switchyard::kernels {
namespace {

/// A float32 copy of bfloat16 numbers; null for null.
class Wide {
 public:
  Wide(Cpu& cpu, const BFloat16* numbers, std::int64_t count) {
    if (numbers == nullptr) return;
    copy_.emplace(cpu, count);
    run(cpu, Convert<BFloat16, float>{.x = numbers, .y = copy_->data(), .count = count});
  }
  const float* data() const { return copy_ ? copy_->data() : nullptr; }

 private:
  std::optional<DeviceArray<Cpu, float>> copy_;
};

/// Float32 memory for a bfloat16 result, which round() writes; null for null.
class WideResult {
 public:
  WideResult(Cpu& cpu, BFloat16* result, std::int64_t count)
      : cpu_(cpu), result_(result), count_(count) {
    if (result != nullptr) sums_.emplace(cpu, count);
  }
  float* data() const { return sums_ ? sums_->data() : nullptr; }
  void round() const {
    if (result_ == nullptr) return;
    run(cpu_, Convert<float, BFloat16>{.x = sums_->data(), .y = result_, .count = count_});
  }

 private:
  Cpu& cpu_;
  BFloat16* result_;
  std::int64_t count_;
  std::optional<DeviceArray<Cpu, float>> sums_;
};

/// The experts' matrices and biases in float32.
struct WideWeights {
  Wide w_in, b_in, w_out, b_out;

  WideWeights(Cpu& cpu, const MoeShape& s, const MoeWeights<BFloat16>& w)
      : w_in(cpu, w.w_in, s.experts * s.wide() * s.width),
        b_in(cpu, w.b_in, s.experts * s.wide()),
        w_out(cpu, w.w_out, s.experts * s.out * s.hidden),
        b_out(cpu, w.b_out, s.experts * s.out) {}
  MoeWeights<float> matrices() const {
    return {.w_in = w_in.data(), .b_in = b_in.data(), .w_out = w_out.data(), .b_out = b_out.data()};
  }
};

}  // namespace

void moe_forward_widened(Cpu& cpu, const MoeForward<BFloat16>& a) {
  const MoeShape& s = a.shape;
  const WideWeights weights(cpu, s, a.experts);
  const Wide x(cpu, a.x, s.tokens * s.width);
  const WideResult u(cpu, a.u, s.slots * s.wide());
  const WideResult y(cpu, a.y, s.tokens * s.out);
  moe_forward_fused(cpu, MoeForward<float>{.shape = s,
                                           .routes = a.routes,
                                           .experts = weights.matrices(),
                                           .x = x.data(),
                                           .weights = a.weights,
                                           .u = u.data(),
                                           .y = y.data()});
  u.round();
  y.round();
}

void moe_backward_widened(Cpu& cpu, const MoeBackward<BFloat16>& a) {
  const MoeShape& s = a.shape;
  const WideWeights weights(cpu, s, a.experts);
  const Wide x(cpu, a.x, s.tokens * s.width);
  const Wide u(cpu, a.u, s.slots * s.wide());
  const Wide gy(cpu, a.gy, s.tokens * s.out);
  const WideResult gx(cpu, a.gx, s.tokens * s.width);
  const WideResult gw_in(cpu, a.gw_in, s.experts * s.wide() * s.width);
  const WideResult gb_in(cpu, a.gb_in, s.experts * s.wide());
  const WideResult gw_out(cpu, a.gw_out, s.experts * s.out * s.hidden);
  const WideResult gb_out(cpu, a.gb_out, s.experts * s.out);
  moe_backward_fused(cpu, MoeBackward<float>{.shape = s,
                                             .routes = a.routes,
                                             .experts = weights.matrices(),
                                             .x = x.data(),
                                             .weights = a.weights,
                                             .u = u.data(),
                                             .gy = gy.data(),
                                             .gx = gx.data(),
                                             .gweights = a.gweights,
                                             .gw_in = gw_in.data(),
                                             .gb_in = gb_in.data(),
                                             .gw_out = gw_out.data(),
                                             .gb_out = gb_out.data()});
  for (const WideResult* result : {&gx, &gw_in, &gb_in, &gw_out, &gb_out}) result->round();
}

}  // namespace switchyard::kernels
