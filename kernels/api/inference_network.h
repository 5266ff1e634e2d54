#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "kernels/api/executor.h"

namespace switchyard::kernels {

/// A feed-forward graph of float32 convolutions that is prepared once for one batch size and run
/// many times: weights are packed, activations have their memory and the layout that the
/// convolutions like best, and bias, residual and ReLU are part of the convolution before them.
///
/// 3x3 convolutions at stride 1 use Winograd's algorithm F(4x4, 3x3) where the library has it
/// (Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016) and the batch has
/// enough pixels for it to pay. ResNet-18's features are then within 5e-7 of float64 (relative)
/// instead of 3e-7; docs/design/layout.md has the times.
///
/// Errors (std::invalid_argument): sizes below 1, a kernel larger than its padded image, unknown
/// layers, a residual of another shape, a network that is run before it is finished or extended
/// afterwards.
class InferenceNetwork {
 public:
  /// The image or the result of a layer.
  using Id = int;

  struct Options {
    bool winograd = true;  ///< false: direct convolutions only
  };

  struct Convolution {
    std::int64_t filters = 0;
    std::int64_t kernel_height = 1;
    std::int64_t kernel_width = 1;
    std::int64_t stride = 1;
    std::int64_t padding = 0;
    const float* weights = nullptr;  ///< [filters, KH, KW, C]; copied
    const float* bias = nullptr;     ///< [filters] or null for zeros; copied
    bool relu = false;
    std::optional<Id> residual = {};  ///< added before the ReLU
  };

  /// Images are [batch, height, width, channels]. Runs on the threads that are set now;
  /// `cpu.reproducible`: on one, for the same bits whatever is set.
  InferenceNetwork(const Cpu& cpu, std::int64_t batch, std::int64_t height, std::int64_t width,
                   std::int64_t channels, Options options);
  InferenceNetwork(const Cpu& cpu, std::int64_t batch, std::int64_t height, std::int64_t width,
                   std::int64_t channels)
      : InferenceNetwork(cpu, batch, height, width, channels, Options{}) {}
  ~InferenceNetwork();
  InferenceNetwork(InferenceNetwork&&) noexcept;
  InferenceNetwork& operator=(InferenceNetwork&&) noexcept;

  Id image() const { return 0; }
  /// y = [relu](conv(x) + bias + residual).
  Id add_convolution(Id x, const Convolution& convolution);
  /// Makes the mean of x over height and width the network's result and lays out its memory.
  void finish_with_global_average_pool(Id x);

  /// images [batch, height, width, channels] -> features [batch, channels of the last layer]. Not
  /// for two threads at once: the activations are the network's own.
  void run(const float* images, float* features);

  /// Bytes of packed weights, activations and scratch.
  std::size_t bytes() const;
  /// Convolutions that use Winograd's algorithm.
  int winograd_layers() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace switchyard::kernels
