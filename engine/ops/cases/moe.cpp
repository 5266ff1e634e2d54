#include "engine/ops/moe.h"

#include "engine/ops/cases.h"
#include "engine/ops/shape.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

constexpr std::int64_t kExperts = 5;
constexpr std::int64_t kChoices = 2;
constexpr std::int64_t kWidth = 3;
constexpr std::int64_t kHidden = 4;
constexpr std::int64_t kOut = 2;

ExpertParameters parameters(Inputs in, bool biased) {
  return {.w_in = in[2],
          .b_in = biased ? in[4] : Tensor(),
          .w_out = in[3],
          .b_out = biased ? in[5] : Tensor()};
}

/// Tokens, weights and parameters for `size` tokens, of which some are dropped where there are no
/// biases. A pre-activation within a finite difference's step of relu's kink is too rare to matter.
OpSample sample(std::int64_t size, CaseSource& source, ExpertActivation activation, bool biased,
                MoeSaves saves) {
  const Tensor indices = top_k(normal_input({size, kExperts}, source), kChoices);
  const Routing routing = make_routing(indices, kExperts, biased ? 0 : 1 + size / 4);
  const std::int64_t wide = kernels::pre_activations(activation, kHidden);
  std::vector<Tensor> inputs = {normal_input({size, kWidth}, source),
                                normal_input({size, kChoices}, source),
                                normal_input({kExperts, wide, kWidth}, source),
                                normal_input({kExperts, kOut, kHidden}, source)};
  if (biased) {
    inputs.push_back(normal_input({kExperts, wide}, source));
    inputs.push_back(normal_input({kExperts, kOut}, source));
  }
  return {inputs,
          [=](Inputs in) {
            return moe(in[0], in[1], routing, parameters(in, biased), activation, saves);
          },
          [=](Inputs in) {
            return moe_composed(in[0], in[1], routing, parameters(in, biased), activation);
          }};
}

OpCase moe_case(const char* name, ExpertActivation activation, bool biased,
                MoeSaves saves = MoeSaves::kPreActivations) {
  return {name, [=](std::int64_t size, CaseSource& source) {
            return sample(size, source, activation, biased, saves);
          }};
}

OpCase slice_columns_case() {
  return {"slice_columns", [](std::int64_t size, CaseSource& source) -> OpSample {
            return {{normal_input({size, 5}, source)},
                    [](Inputs in) { return slice_columns(in[0], 1, 4); },
                    [](Inputs in) { return transpose(slice_rows(transpose(in[0]), 1, 4)); }};
          }};
}

OpCase pad_columns_case() {
  return {"pad_columns", [](std::int64_t size, CaseSource& source) -> OpSample {
            return {{normal_input({size, 3}, source)},
                    [](Inputs in) { return pad_columns(in[0], 1, 5); },
                    [](Inputs in) { return transpose(pad_rows(transpose(in[0]), 1, 5)); }};
          }};
}

}  // namespace

std::vector<OpCase> moe_cases() {
  return {moe_case("moe_relu", ExpertActivation::kRelu, true),
          moe_case("moe_gelu", ExpertActivation::kGelu, false),
          moe_case("moe_swiglu", ExpertActivation::kSwiGlu, true),
          moe_case("moe_recomputed", ExpertActivation::kSwiGlu, false, MoeSaves::kTokens),
          slice_columns_case(),
          pad_columns_case()};
}

}  // namespace switchyard
