#pragma once

#include <cstddef>
#include <vector>

#include "kernels/api/conv2d.h"

namespace switchyard::kernels {

/// Returns whether winograd_convolution() takes this convolution: 3x3 kernels at stride 1 or 2,
/// padding 0 to 2, channels and filters in multiples of 8, and at stride 2 images of at most 4096
/// pixels.
bool winograd_takes(const ConvShape& shape);
/// Returns whether it takes it and there are enough channels, filters and pixels to pay for the
/// transforms, so that it is faster than a direct one.
bool winograd_pays(const ConvShape& shape);
/// Returns whether oneDNN brings Winograd's algorithm of its own on this machine.
bool library_has_winograd();

/// One face of the float32 convolution's trilinear form by Winograd's algorithm with 4x4 tiles of y
/// (winograd_form.h): reads two of x, w, y and writes the third, which is y, x or w by face. Takes
/// a quarter of the direct algorithm's multiplications at stride 1, 9/16 at stride 2, with a
/// relative error of about 1e-6. The bits do not depend on the thread count. For where oneDNN has
/// no such algorithm: its own is in 2.x alone, with AVX-512 and at stride 1.
void winograd_convolution(ConvFace face, const ConvShape& shape, const float* x, const float* w,
                          const float* y);

/// Forward convolutions with weights that stay, for inference. Takes what winograd_pays() takes.
class WinogradForward {
 public:
  /// Copies and transforms w [O, 3, 3, C]; bias [O].
  WinogradForward(const ConvShape& shape, const float* w, const float* bias);

  /// y = x * w + bias, plus what is in y already if `accumulate`, then max(0, y) if `relu`.
  void run(const float* x, float* y, bool accumulate, bool relu) const;
  std::size_t bytes() const { return (weights_.size() + bias_.size()) * sizeof(float); }

 private:
  ConvShape shape_;
  std::vector<float> weights_;  // [36 or 81, O, C], transformed
  std::vector<float> bias_;
};

}  // namespace switchyard::kernels
