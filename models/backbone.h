#pragma once

#include <memory>
#include <vector>

#include "engine/nn/layers.h"
#include "models/model_config.h"

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

/// Residual network up to its global average pool: images [N, H, W, in_channels] -> [N, features].
/// Stem 3x3, stride 1, no max-pool; then stages of basic blocks. torchvision's names: conv1, bn1,
/// layer1.0.conv1, ...
class Backbone : public nn::Module {
 public:
  struct Stage {
    int blocks;
    std::int64_t channels;
    int stride;  ///< of the first block
  };

  Backbone(std::int64_t in_channels, std::int64_t stem_channels, const std::vector<Stage>& stages,
           const std::string& initialisation, DType dtype, Generator& random);

  Tensor forward(const Tensor& images, nn::Mode mode);
  std::int64_t features() const { return features_; }
  std::int64_t in_channels() const { return in_channels_; }

  const ConvNorm& stem() const { return *stem_; }
  const std::vector<std::unique_ptr<BasicBlock>>& blocks() const { return blocks_; }

 private:
  std::int64_t in_channels_;
  std::int64_t features_;
  std::unique_ptr<ConvNorm> stem_;
  std::vector<std::unique_ptr<BasicBlock>> blocks_;  // of all stages, in order
};

/// Pixels of the smallest map that batch norm sees behind an image of `height` x `width`.
std::int64_t smallest_map(const BackboneConfig& config, std::int64_t height, std::int64_t width);

/// "resnet18": 64 channels, stages of 2 blocks with 64, 128, 256, 512. "small": see backbone.cpp.
std::unique_ptr<Backbone> make_backbone(const BackboneConfig& config, DType dtype,
                                        Generator& random);

}  // namespace switchyard
