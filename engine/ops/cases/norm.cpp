#include "engine/ops/norm.h"

#include "engine/ops/cases.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduction.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

constexpr std::int64_t kChannels = 3;
constexpr double kEpsilon = 1e-5;

/// Inputs x, scale, shift and, if asked for, the residual; x is [rows, channels].
std::vector<Tensor> norm_inputs(std::int64_t rows, bool residual, CaseSource& source) {
  std::vector<Tensor> inputs = {normal_input({rows, kChannels}, source),
                                gapped_input({kChannels}, 0.5, source),
                                normal_input({kChannels}, source)};
  if (residual) inputs.push_back(normal_input({rows, kChannels}, source));
  return inputs;
}

NormTail tail_of(Inputs in, bool relu) {
  return {.residual = in.size() > 3 ? in[3] : Tensor(), .relu = relu};
}

OpCase batch_norm_case(std::string name, bool residual, bool relu) {
  return {std::move(name),
          [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {norm_inputs(size, residual, source),
                    [relu](Inputs in) {
                      return batch_norm(in[0], in[1], in[2], kEpsilon, tail_of(in, relu)).y;
                    },
                    [relu](Inputs in) {
                      return batch_norm_composed(in[0], in[1], in[2], kEpsilon, tail_of(in, relu));
                    }};
          },
          4};  // with two rows the result does not depend on x at all
}

OpCase channel_affine_case(std::string name, bool residual, bool relu) {
  return {std::move(name), [=](std::int64_t size, CaseSource& source) -> OpSample {
            return {norm_inputs(size, residual, source),
                    [relu](Inputs in) {
                      return channel_affine(in[0], in[1], in[2], tail_of(in, relu));
                    },
                    [relu](Inputs in) {
                      Tensor y = in[0] * in[1] + in[2];
                      if (in.size() > 3) y = y + in[3];
                      return relu ? switchyard::relu(y) : y;
                    }};
          }};
}

}  // namespace

std::vector<OpCase> norm_cases() {
  return {
      batch_norm_case("batch_norm", false, false),
      batch_norm_case("batch_norm_relu", false, true),
      batch_norm_case("batch_norm_residual", true, false),
      batch_norm_case("batch_norm_residual_relu", true, true),
      channel_affine_case("channel_affine", false, false),
      channel_affine_case("channel_affine_residual_relu", true, true),
      {"channel_scale",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, kChannels}, source), normal_input({kChannels}, source)},
                 [](Inputs in) { return channel_scale(in[0], in[1]); },
                 [](Inputs in) { return in[0] * in[1]; }};
       }},
      {"channel_dot",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         return {{normal_input({size, kChannels}, source), normal_input({size, kChannels}, source)},
                 [](Inputs in) { return channel_dot(in[0], in[1]); },
                 [](Inputs in) { return sum(in[0] * in[1], {0}); }};
       }},
      {"batch_norm_inference",
       [](std::int64_t size, CaseSource& source) -> OpSample {
         const Tensor mean = normal_input({kChannels}, source);
         const Tensor variance = positive_input({kChannels}, 0.5, source);
         return {norm_inputs(size, false, source),
                 [=](Inputs in) {
                   return batch_norm_inference(in[0], in[1], in[2], mean.to(in[0].dtype()),
                                               variance.to(in[0].dtype()), kEpsilon);
                 },
                 [=](Inputs in) {
                   const Tensor deviation = sqrt(variance.to(in[0].dtype()) + kEpsilon);
                   return (in[0] - mean.to(in[0].dtype())) / deviation * in[1] + in[2];
                 }};
       }},
  };
}

}  // namespace switchyard
