#include "engine/ops/conv2d.h"

#include "engine/ops/cases.h"

namespace switchyard {
namespace {

using Inputs = std::span<const Tensor>;

/// Sizes of one convolution: the three faces are called on the same ones.
struct Sizes {
  Shape x, w, y;
  ConvParams params;
};

using SizesOf = Sizes (*)(std::int64_t size);

/// `size` channels; a 3x3 kernel that keeps the image's size.
Sizes with_channels(std::int64_t size) {
  return {{2, 4, 5, size}, {3, 3, 3, size}, {2, 4, 5, 3}, {.stride = 1, .padding = 1}};
}

/// Images of `size` rows; a 3x2 kernel at stride 2, which rounds rows away where size is even.
Sizes strided(std::int64_t size) {
  return {
      {1, size, 6, 2}, {3, 3, 2, 2}, {1, (size - 1) / 2 + 1, 4, 3}, {.stride = 2, .padding = 1}};
}

OpCase forward(std::string name, SizesOf sizes_of, std::int64_t smallest) {
  return {std::move(name),
          [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Sizes s = sizes_of(size);
            return {{normal_input(s.x, source), normal_input(s.w, source)},
                    [s](Inputs in) { return conv2d(in[0], in[1], s.params); },
                    nullptr};
          },
          smallest};
}

OpCase input_grad(std::string name, SizesOf sizes_of, std::int64_t smallest) {
  return {std::move(name),
          [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Sizes s = sizes_of(size);
            return {{normal_input(s.y, source), normal_input(s.w, source)},
                    [s](Inputs in) { return conv2d_input_grad(in[0], in[1], s.x, s.params); },
                    nullptr};
          },
          smallest};
}

OpCase weight_grad(std::string name, SizesOf sizes_of, std::int64_t smallest) {
  return {std::move(name),
          [=](std::int64_t size, CaseSource& source) -> OpSample {
            const Sizes s = sizes_of(size);
            return {{normal_input(s.x, source), normal_input(s.y, source)},
                    [s](Inputs in) { return conv2d_weight_grad(in[0], in[1], s.w, s.params); },
                    nullptr};
          },
          smallest};
}

}  // namespace

std::vector<OpCase> conv2d_cases() {
  return {
      forward("conv2d", with_channels, 0),
      forward("conv2d_strided", strided, 1),
      input_grad("conv2d_input_grad", with_channels, 0),
      input_grad("conv2d_input_grad_strided", strided, 1),
      weight_grad("conv2d_weight_grad", with_channels, 0),
      weight_grad("conv2d_weight_grad_strided", strided, 1),
  };
}

}  // namespace switchyard
