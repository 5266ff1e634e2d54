#pragma once

#include <memory>
#include <vector>

#include "engine/nn/layers.h"
#include "models/model_config.h"
#include "models/moe_layer.h"

namespace switchyard {

/// Convolution and the normalisation that follows it.
struct ConvNorm {
  ConvNorm(std::int64_t in, std::int64_t out, int kernel, ConvParams params, nn::ConvInit init,
           DType dtype, Generator& random)
      : conv(in, out, kernel, params, init, dtype, random), norm(out, dtype) {}

  Tensor forward(const Tensor& x, nn::Mode mode, const NormTail& tail) {
    return norm.forward(conv.forward(x), mode, tail);
  }

  nn::Conv2d conv;
  nn::BatchNorm2d norm;
};

/// Two 3x3 convolutions around a shortcut (He et al., 2015): relu(second(relu(first(x))) + s(x)), s
/// being the identity or, where the shape changes, a 1x1 convolution. torchvision's names: conv1,
/// bn1, conv2, bn2, downsample.0, downsample.1.
class BasicBlock : public nn::Module {
 public:
  BasicBlock(std::int64_t in, std::int64_t out, int stride, nn::ConvInit init, DType dtype,
             Generator& random);

  Tensor forward(const Tensor& x, nn::Mode mode);

  const ConvNorm& first() const { return first_; }
  const ConvNorm& second() const { return second_; }
  /// Null where the shortcut is the identity.
  const ConvNorm* downsample() const { return downsample_.get(); }

 private:
  ConvNorm first_;
  ConvNorm second_;
  std::unique_ptr<ConvNorm> downsample_;
};

/// A block whose tokens are the pixels of its feature map: x = relu(norm1(conv1(images))), 3x3,
/// then y = x + moe(norm2(x)). Names conv1, bn1, bn2, moe.gate.weight, moe.experts.0.w_in, ...
class PatchMoeBlock : public nn::Module {
 public:
  PatchMoeBlock(std::int64_t in, std::int64_t out, int stride, const MoeConfig& moe,
                nn::ConvInit init, DType dtype, Generator& random);

  /// images [N, H, W, in]; the layer's y is [N, H', W', out] here, its tokens N·H'·W'.
  MoeOutput forward(const Tensor& images, nn::Mode mode);

 private:
  ConvNorm first_;
  nn::BatchNorm2d norm_;
  MoeLayer moe_;
};

struct BackboneOutput {
  Tensor features;      ///< [N, features]
  GateOutput gate;      ///< of the patches, N·H'·W' rows; undefined without an MoE block
  Tensor balance_loss;  ///< of that gate; undefined if none is on
};

/// Widths and strides of a backbone.
struct BackboneLayout {
  struct Stage {
    int blocks;
    std::int64_t channels;
    int stride;  ///< of the first block
  };
  std::int64_t stem_channels;
  std::vector<Stage> stages;
};
/// UsageError for a name that is none.
BackboneLayout backbone_layout(const BackboneConfig& config);

/// Residual network up to its global average pool: images [N, H, W, in_channels] -> [N, features].
/// Stem 3x3, stride 1, no max-pool; then stages of basic blocks. torchvision's names: conv1, bn1,
/// layer1.0.conv1, ...
class Backbone : public nn::Module {
 public:
  using Stage = BackboneLayout::Stage;

  /// `moe`, if given, makes the last stage a PatchMoeBlock.
  Backbone(std::int64_t in_channels, std::int64_t stem_channels, const std::vector<Stage>& stages,
           const std::string& initialisation, DType dtype, Generator& random,
           const MoeConfig* moe = nullptr);

  BackboneOutput forward(const Tensor& images, nn::Mode mode);
  std::int64_t features() const { return features_; }
  std::int64_t in_channels() const { return in_channels_; }

  const ConvNorm& stem() const { return *stem_; }
  const std::vector<std::unique_ptr<BasicBlock>>& blocks() const { return blocks_; }
  /// Stands behind blocks(); null in most backbones.
  const PatchMoeBlock* moe_block() const { return moe_block_.get(); }

 private:
  std::int64_t in_channels_;
  std::int64_t features_;
  std::unique_ptr<ConvNorm> stem_;
  std::vector<std::unique_ptr<BasicBlock>> blocks_;  // of all stages, in order
  std::unique_ptr<PatchMoeBlock> moe_block_;
};

/// Pixels of the smallest map that batch norm sees behind an image of `height` x `width`.
std::int64_t smallest_map(const BackboneConfig& config, std::int64_t height, std::int64_t width);

/// "resnet18": 64 channels, stages of 2 blocks with 64, 128, 256, 512. "small": see backbone.cpp.
/// "small_moe": small whose last stage is a PatchMoeBlock.
std::unique_ptr<Backbone> make_backbone(const BackboneConfig& config, DType dtype,
                                        Generator& random);

}  // namespace switchyard
