#include "kernels/cpu/activation.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {

using dnnl::memory;

memory::desc describe(const memory::dims& nchw, Layout layout) {
  const auto tag = layout == Layout::kBlocked  ? memory::format_tag::nChw16c
                   : layout == Layout::kPlanes ? memory::format_tag::nchw
                                               : memory::format_tag::nhwc;
  return {nchw, memory::data_type::f32, tag};
}

void average(const Activation& a, std::int64_t batch, float* features) {
  const std::int64_t block =
      a.layout == Layout::kChannelsLast ? a.channels : static_cast<std::int64_t>(a.layout);
  const std::int64_t blocks = (a.channels + block - 1) / block;
  const std::int64_t pixels = a.height * a.width;
  const auto* data = static_cast<const float*>(a.data.get_data_handle());
  parallel_for(batch, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin * blocks; part < end * blocks; ++part) {
      const std::int64_t first = part % blocks * block;
      const std::int64_t count = std::min(block, a.channels - first);
      float* mean = features + part / blocks * a.channels + first;
      std::fill_n(mean, count, 0.0F);
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        const float* values = data + (part * pixels + pixel) * block;
        for (std::int64_t c = 0; c < count; ++c) mean[c] += values[c];
      }
      for (std::int64_t c = 0; c < count; ++c) mean[c] /= static_cast<float>(pixels);
    }
  });
}

}  // namespace switchyard::kernels
