#pragma once

#include <cstdint>

#include "kernels/cpu/onednn.h"

namespace switchyard::kernels {

/// Says how an inference network's activations lie in memory: [N, C / block, H, W, block], the last
/// block padded.
enum class Layout : std::int64_t { kChannelsLast = 0, kPlanes = 1, kBlocked = 16 };

/// float32 activations of sizes {N, C, H, W}.
dnnl::memory::desc describe(const dnnl::memory::dims& nchw, Layout layout);

/// The image or a layer's result in an inference network.
struct Activation {
  std::int64_t height, width, channels;
  Layout layout;
  dnnl::memory::desc desc;
  int last_use = -1;  // index of the last layer that reads it
  int buffer = -1;    // in the plan; -1: the caller's images
  dnnl::memory data = {};
};

/// features [batch, channels]: mean over height and width.
void average(const Activation& activation, std::int64_t batch, float* features);

}  // namespace switchyard::kernels
