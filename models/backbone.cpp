#include "models/backbone.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/pooling.h"
#include "engine/ops/shape.h"

namespace switchyard {

BackboneLayout backbone_layout(const BackboneConfig& config) {
  if (config.name == "resnet18") return {64, {{2, 64, 1}, {2, 128, 2}, {2, 256, 2}, {2, 512, 2}}};
  check<UsageError>(config.name == "small" || config.has_moe(),
                    "unknown backbone \"{}\": expected resnet18, small or small_moe", config.name);
  // 11 million multiply-adds per 32x32 image, 1/49 of resnet18's: it halves the resolution at once
  // and has one block per stage. All widths but the input's are multiples of 16, which fill the
  // vector registers of the convolutions. Eight epochs of CIFAR-10 with flips reach 83 %; six
  // epochs of widths 32, 48, 96, 192 do too, at 1.6 times the cost.
  return {16, {{1, 32, 2}, {1, 64, 2}, {1, 128, 2}}};
}

BasicBlock::BasicBlock(std::int64_t in, std::int64_t out, int stride, nn::ConvInit init,
                       DType dtype, Generator& random)
    : first_(in, out, 3, {.stride = stride, .padding = 1}, init, dtype, random),
      second_(out, out, 3, {.stride = 1, .padding = 1}, init, dtype, random) {
  register_child("conv1", first_.conv);
  register_child("bn1", first_.norm);
  register_child("conv2", second_.conv);
  register_child("bn2", second_.norm);
  if (stride == 1 && in == out) return;
  downsample_ = std::make_unique<ConvNorm>(in, out, 1, ConvParams{.stride = stride, .padding = 0},
                                           init, dtype, random);
  register_child("downsample.0", downsample_->conv);
  register_child("downsample.1", downsample_->norm);
}

Tensor BasicBlock::forward(const Tensor& x, nn::Mode mode) {
  const Tensor hidden = first_.forward(x, mode, {.residual = {}, .relu = true});
  const Tensor shortcut = downsample_ ? downsample_->forward(x, mode, {}) : x;
  return second_.forward(hidden, mode, {.residual = shortcut, .relu = true});
}

PatchMoeBlock::PatchMoeBlock(std::int64_t in, std::int64_t out, int stride, const MoeConfig& moe,
                             nn::ConvInit init, DType dtype, Generator& random)
    : first_(in, out, 3, {.stride = stride, .padding = 1}, init, dtype, random),
      norm_(out, dtype),
      moe_(moe, out, out, dtype, random) {
  register_child("conv1", first_.conv);
  register_child("bn1", first_.norm);
  register_child("bn2", norm_);
  register_child("moe", moe_);
}

MoeOutput PatchMoeBlock::forward(const Tensor& images, nn::Mode mode) {
  const Tensor x = first_.forward(images, mode, {.residual = {}, .relu = true});
  const std::int64_t channels = x.size(3);
  const Tensor tokens =
      reshape(norm_.forward(x, mode), {x.numel() / channels, channels});  // a patch is a pixel
  MoeOutput output = moe_.forward(tokens, mode);
  output.y = x + reshape(output.y, x.shape());
  return output;
}

Backbone::Backbone(std::int64_t in_channels, std::int64_t stem_channels,
                   const std::vector<Stage>& stages, const std::string& initialisation, DType dtype,
                   Generator& random, const MoeConfig* moe)
    : in_channels_(in_channels), features_(stages.back().channels) {
  // The published models replace torchvision's first convolution after torchvision initialised its
  // own, so theirs starts from the layer's default either way.
  stem_ = std::make_unique<ConvNorm>(in_channels, stem_channels, 3,
                                     ConvParams{.stride = 1, .padding = 1}, nn::ConvInit::kPyTorch,
                                     dtype, random);
  register_child("conv1", stem_->conv);
  register_child("bn1", stem_->norm);
  const nn::ConvInit init =
      initialisation == "torchvision" ? nn::ConvInit::kTorchvision : nn::ConvInit::kPyTorch;
  std::int64_t channels = stem_channels;
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    if (moe != nullptr && stage + 1 == stages.size()) {
      moe_block_ = std::make_unique<PatchMoeBlock>(channels, stages[stage].channels,
                                                   stages[stage].stride, *moe, init, dtype, random);
      register_child(fmt::format("layer{}.0", stage + 1), *moe_block_);
      break;
    }
    for (int block = 0; block < stages[stage].blocks; ++block) {
      const int stride = block == 0 ? stages[stage].stride : 1;
      blocks_.push_back(std::make_unique<BasicBlock>(channels, stages[stage].channels, stride, init,
                                                     dtype, random));
      register_child(fmt::format("layer{}.{}", stage + 1, block), *blocks_.back());
      channels = stages[stage].channels;
    }
  }
}

BackboneOutput Backbone::forward(const Tensor& images, nn::Mode mode) {
  check(images.rank() == 4 && images.size(3) == in_channels_,
        "[backbone] images must be [N, H, W, {}], got {}", in_channels_, images.shape());
  Tensor x = stem_->forward(images, mode, {.residual = {}, .relu = true});
  for (const auto& block : blocks_) x = block->forward(x, mode);
  BackboneOutput output;
  if (moe_block_) {
    MoeOutput patches = moe_block_->forward(x, mode);
    x = std::move(patches.y);
    output.gate = std::move(patches.gate);
    output.balance_loss = std::move(patches.balance_loss);
  }
  output.features = global_average_pool(x);
  return output;
}

std::int64_t smallest_map(const BackboneConfig& config, std::int64_t height, std::int64_t width) {
  for (const Backbone::Stage& stage : backbone_layout(config).stages) {
    height = (height - 1) / stage.stride + 1;  // 3x3, padding 1
    width = (width - 1) / stage.stride + 1;
  }
  return height * width;
}

std::unique_ptr<Backbone> make_backbone(const BackboneConfig& config, DType dtype,
                                        Generator& random) {
  const BackboneLayout layout = backbone_layout(config);
  return std::make_unique<Backbone>(config.in_channels, layout.stem_channels, layout.stages,
                                    config.initialisation, dtype, random,
                                    config.has_moe() ? &config.moe : nullptr);
}

}  // namespace switchyard
