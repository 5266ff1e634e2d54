#include "kernels/cpu/conv2d_patches.h"

#include <algorithm>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

namespace switchyard::kernels {
namespace {

/// Number of images whose patches fill about 32 MB, at least one.
std::int64_t images_per_block(const ConvShape& s) {
  constexpr std::int64_t kPatchElements = std::int64_t{4} << 20;
  return std::clamp<std::int64_t>(
      kPatchElements / std::max<std::int64_t>(s.out_height() * s.out_width() * s.patch_size(), 1),
      1, std::max<std::int64_t>(s.batch, 1));
}

/// Calls body(shape of the block, its first x, its first y) for blocks of images in order.
template <class X, class Y, class Body>
void for_each_block(const ConvShape& shape, X* x, Y* y, const Body& body) {
  const std::int64_t step = images_per_block(shape);
  for (std::int64_t begin = 0; begin < shape.batch; begin += step) {
    ConvShape block = shape;
    block.batch = std::min(step, shape.batch - begin);
    body(block, x + begin * (shape.x_size() / shape.batch),
         y + begin * (shape.y_size() / shape.batch));
  }
}

/// A 1x1 convolution at stride 1 without padding: x is its own patch matrix.
bool patches_are_input(const ConvShape& s) {
  return s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1 && s.padding == 0;
}

double* patch_buffer(const ConvShape& s) {
  const std::int64_t rows = s.batch * s.out_height() * s.out_width();
  return scratch<double>(Scratch::kPatches, static_cast<std::size_t>(rows * s.patch_size()));
}

/// Writes one patch row per output pixel; out-of-image parts are zero.
void copy_patch_row(const ConvShape& s, const double* image, std::int64_t oh, double* row) {
  for (std::int64_t ow = 0; ow < s.out_width(); ++ow) {
    for (std::int64_t kh = 0; kh < s.kernel_height; ++kh) {
      const std::int64_t ih = oh * s.stride + kh - s.padding;
      for (std::int64_t kw = 0; kw < s.kernel_width; ++kw, row += s.channels) {
        const std::int64_t iw = ow * s.stride + kw - s.padding;
        if (ih < 0 || ih >= s.height || iw < 0 || iw >= s.width) {
          std::fill_n(row, s.channels, 0.0);
        } else {
          std::copy_n(image + (ih * s.width + iw) * s.channels, s.channels, row);
        }
      }
    }
  }
}

/// The patch matrix of the images of x.
const double* patches_of(const ConvShape& s, const double* x) {
  if (patches_are_input(s)) return x;
  double* patches = patch_buffer(s);
  const std::int64_t row_size = s.out_width() * s.patch_size();
  parallel_for(s.batch * s.out_height(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const double* image = x + row / s.out_height() * s.height * s.width * s.channels;
      copy_patch_row(s, image, row % s.out_height(), patches + row * row_size);
    }
  });
  return patches;
}

/// Transpose of copy_patch_row for one input row: adds every patch element that was read from it.
void add_patch_parts(const ConvShape& s, const double* image_patches, std::int64_t ih,
                     double* x_row) {
  std::fill_n(x_row, s.width * s.channels, 0.0);
  for (std::int64_t kh = 0; kh < s.kernel_height; ++kh) {
    const std::int64_t shifted = ih + s.padding - kh;
    const std::int64_t oh = shifted / s.stride;
    if (shifted < 0 || shifted % s.stride != 0 || oh >= s.out_height()) continue;
    for (std::int64_t ow = 0; ow < s.out_width(); ++ow) {
      const double* patch = image_patches + (oh * s.out_width() + ow) * s.patch_size();
      for (std::int64_t kw = 0; kw < s.kernel_width; ++kw) {
        const std::int64_t iw = ow * s.stride + kw - s.padding;
        if (iw < 0 || iw >= s.width) continue;
        const double* part = patch + (kh * s.kernel_width + kw) * s.channels;
        double* pixel = x_row + iw * s.channels;
        for (std::int64_t c = 0; c < s.channels; ++c) pixel[c] += part[c];
      }
    }
  }
}

void add_patches(const ConvShape& s, const double* patches, double* x) {
  const std::int64_t image_patches = s.out_height() * s.out_width() * s.patch_size();
  parallel_for(s.batch * s.height, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      add_patch_parts(s, patches + row / s.height * image_patches, row % s.height,
                      x + row * s.width * s.channels);
    }
  });
}

}  // namespace

void conv2d_eigen_patches(Cpu&, const Conv2d<double>& a) {
  const std::int64_t k = a.shape.patch_size();
  for_each_block(a.shape, a.x, a.y, [&](const ConvShape& block, const double* xs, double* ys) {
    const std::int64_t rows = block.batch * block.out_height() * block.out_width();
    parallel_gemm<double>(rows, block.filters, k, {patches_of(block, xs), k, false}, {a.w, k, true},
                          ys, block.filters);
  });
}

void conv2d_eigen_patches(Cpu&, const Conv2dInputGrad<double>& a) {
  const std::int64_t k = a.shape.patch_size();
  for_each_block(a.shape, a.gx, a.gy, [&](const ConvShape& block, double* gxs, const double* gys) {
    const std::int64_t rows = block.batch * block.out_height() * block.out_width();
    double* patches = patches_are_input(block) ? gxs : patch_buffer(block);
    parallel_gemm<double>(rows, k, block.filters, {gys, block.filters, false}, {a.w, k, false},
                          patches, k);
    if (patches != gxs) add_patches(block, patches, gxs);
  });
}

void conv2d_eigen_patches(Cpu&, const Conv2dWeightGrad<double>& a) {
  const std::int64_t k = a.shape.patch_size();
  std::fill_n(a.gw, a.shape.w_size(), 0.0);
  for_each_block(a.shape, a.x, a.gy,
                 [&](const ConvShape& block, const double* xs, const double* gys) {
                   const std::int64_t rows = block.batch * block.out_height() * block.out_width();
                   parallel_gemm<double>(block.filters, k, rows, {gys, block.filters, true},
                                         {patches_of(block, xs), k, false}, a.gw, k, true);
                 });
}

}  // namespace switchyard::kernels
