#include "analysis/token_layers.h"

#include <memory>

#include "engine/nn/layers.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape.h"
#include "models/moe_layer.h"
#include "models/soft_slots.h"

namespace switchyard {
namespace {

constexpr std::int64_t kExperts = 8;
constexpr std::int64_t kChosen = 2;
constexpr std::int64_t kHidden = 256;  // of an expert
constexpr std::int64_t kSlots = kTokensOfImage * kChosen;

double of_image(std::int64_t rows, std::int64_t in, std::int64_t out) {
  return static_cast<double>(rows * in) * static_cast<double>(out);
}

Tensor rows_of(const Tensor& x) { return reshape(x, {x.size(0) * x.size(1), x.size(2)}); }

/// Two linear layers with `hidden` units between them.
TokenLayer dense(const std::string& name, std::int64_t hidden, Device device, Generator& random) {
  const auto first = std::make_shared<nn::Linear>(kTokenWidth, hidden, DType::kFloat32, random);
  const auto second = std::make_shared<nn::Linear>(hidden, kTokenWidth, DType::kFloat32, random);
  first->to(device);
  second->to(device);
  return {name,
          {.dense = 2.0 * of_image(kTokensOfImage, kTokenWidth, hidden)},
          [first, second](const Tensor& x) {
            return second->forward(relu(first->forward(rows_of(x))));
          }};
}

TokenLayer soft(Device device, Generator& random) {
  const SoftSlotsConfig config = {.experts = kExperts,
                                  .slots = kSlots / kExperts,
                                  .expert_width = kHidden,
                                  .activation = "relu"};
  const auto slots =
      std::make_shared<SoftSlots>(config, kTokenWidth, kTokenWidth, DType::kFloat32, random);
  slots->to(device);
  // Logits, mixtures of tokens and of answers; two layers for each slot.
  const double mixing = 3.0 * of_image(kTokensOfImage, kTokenWidth, kSlots);
  return {"soft_slots",
          {.dense = mixing + 2.0 * of_image(kSlots, kTokenWidth, kHidden)},
          [slots](const Tensor& x) { return slots->forward(x).y; }};
}

TokenLayer sparse(Device device, Generator& random) {
  const MoeConfig config = {
      .experts = kExperts, .expert_width = kHidden, .top_k = kChosen, .activation = "relu"};
  const auto layer =
      std::make_shared<MoeLayer>(config, kTokenWidth, kTokenWidth, DType::kFloat32, random);
  layer->to(device);
  return {
      "sparse", moe_multiply_adds(config, kTokensOfImage, kTokenWidth),
      [layer](const Tensor& x) { return layer->forward(rows_of(x), nn::Mode::evaluation()).y; }};
}

}  // namespace

std::vector<TokenLayer> make_token_layers(Device device) {
  Generator random(1);
  return {dense("dense_all", kExperts * kHidden, device, random),
          dense("dense_active", kChosen * kHidden, device, random), soft(device, random),
          sparse(device, random)};
}

}  // namespace switchyard
