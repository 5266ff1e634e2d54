#include <vector>

#include "kernels/api/conv2d.h"
#include "kernels/api/provide.h"
#include "kernels/api/run.h"
#include "kernels/cpu/widen.h"

// Convolutions of bfloat16 operands are the float32 kernels on widened copies: the sums are float32
// in either case, and so is the result.

namespace switchyard::kernels {

extern template Ladder<Cpu, Conv2d<float>> ladder();
extern template Ladder<Cpu, Conv2dInputGrad<float>> ladder();
extern template Ladder<Cpu, Conv2dWeightGrad<float>> ladder();

namespace {

void forward_widened(Cpu& exec, const Conv2d<BFloat16>& a) {
  const std::vector<float> x = widened(a.x, a.shape.x_size());
  const std::vector<float> w = widened(a.w, a.shape.w_size());
  run(exec, Conv2d<float>{.shape = a.shape, .x = x.data(), .w = w.data(), .y = a.y});
}

void input_grad_widened(Cpu& exec, const Conv2dInputGrad<BFloat16>& a) {
  const std::vector<float> gy = widened(a.gy, a.shape.y_size());
  const std::vector<float> w = widened(a.w, a.shape.w_size());
  run(exec, Conv2dInputGrad<float>{.shape = a.shape, .gy = gy.data(), .w = w.data(), .gx = a.gx});
}

void weight_grad_widened(Cpu& exec, const Conv2dWeightGrad<BFloat16>& a) {
  const std::vector<float> x = widened(a.x, a.shape.x_size());
  const std::vector<float> gy = widened(a.gy, a.shape.y_size());
  run(exec, Conv2dWeightGrad<float>{.shape = a.shape, .x = x.data(), .gy = gy.data(), .gw = a.gw});
}

}  // namespace

template <>
constexpr auto kRungs<Cpu, Conv2d<BFloat16>> =
    std::to_array<Rung<Cpu, Conv2d<BFloat16>>>({{"conv2d_widened", forward_widened}});
template <>
constexpr auto kRungs<Cpu, Conv2dInputGrad<BFloat16>> =
    std::to_array<Rung<Cpu, Conv2dInputGrad<BFloat16>>>({{"conv2d_input_grad_widened",
                                                          input_grad_widened}});
template <>
constexpr auto kRungs<Cpu, Conv2dWeightGrad<BFloat16>> =
    std::to_array<Rung<Cpu, Conv2dWeightGrad<BFloat16>>>({{"conv2d_weight_grad_widened",
                                                           weight_grad_widened}});

template struct Provides<Cpu, Conv2d<BFloat16>, Conv2dInputGrad<BFloat16>,
                         Conv2dWeightGrad<BFloat16>>;

}  // namespace switchyard::kernels
