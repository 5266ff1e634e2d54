#include "kernels/cpu/winograd.h"

#include <algorithm>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_tiles.h"

// y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A for a tile of x, a 3x3 kernel w and a 4x4 tile of y. At each point
// of the transformed tile the sum over channels is a matrix product over all tiles. The form is
// trilinear, so the gradients use the same matrices the other way round:
//
//   gw = Gᵀ [(A gy Aᵀ) ⊙ (Bᵀ x B)] G,    gx = Σ over tiles of B [(G w Gᵀ) ⊙ (A gy Aᵀ)] Bᵀ
//
// At stride 1 the input gradient is cheaper as the convolution of gy with the kernels turned by
// half a turn, whose tiles do not overlap.

namespace switchyard::kernels {
namespace {

using namespace winograd;

/// u [points, O, C] = G w Gᵀ of w [O, 3, 3, C], each kernel turned by half a turn if `turned`.
template <class Form>
void transform_weights(const ConvShape& shape, const float* w, bool turned, float* u) {
  parallel_for(shape.filters, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
        Lanes in[9];
        Lanes out[kPoints<Form>];
        for (int i = 0; i < 9; ++i) {
          in[i] = load(w + (o * 9 + (turned ? 8 - i : i)) * shape.channels + c);
        }
        transform<Form::kG>(in, out);
        for (int p = 0; p < kPoints<Form>; ++p) {
          store(out[p], u + (p * shape.filters + o) * shape.channels + c);
        }
      }
    }
  });
}

template <class Form>
float* block_buffer(Scratch buffer, const Tiling& tiling, std::int64_t channels) {
  return scratch<float>(
      buffer, static_cast<std::size_t>(kPoints<Form> * plane_stride(tiling.block, channels)));
}
template <class Form>
std::size_t transformed_size(const ConvShape& shape) {
  return static_cast<std::size_t>(kPoints<Form> * shape.filters * shape.channels);
}

/// m [points, tiles, columns] = v [points, tiles, inner] times the transformed weights
/// u [points, O, C] as [inner, columns], `transposed` or not.
template <class Form>
void multiply(const ConvShape& shape, std::int64_t tiles, std::int64_t inner, std::int64_t columns,
              const float* v, const float* u, bool transposed, float* m) {
  const std::int64_t v_plane = plane_stride(tiles, inner);
  const std::int64_t m_plane = plane_stride(tiles, columns);
  parallel_for(kPoints<Form>, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      gemm(tiles, columns, inner, {v + p * v_plane, inner},
           {u + p * shape.filters * shape.channels, shape.channels, transposed}, m + p * m_plane,
           columns);
    }
  });
}

/// `to` = convolution of `from` with the transformed weights u, which are multiplied from the right
/// as [C, O] (forward) or, `turned`, as [O, C] (input gradient at stride 1).
template <class Form>
void convolve(const ConvShape& shape, const Images& from, const Images& to, std::int64_t padding,
              bool turned, const float* x, const float* u, const Epilogue& epilogue, float* y) {
  const Tiling tiling(shape.batch, to, kPoints<Form>, from.channels + to.channels);
  float* v = block_buffer<Form>(Scratch::kPackedX, tiling, from.channels);
  float* m = block_buffer<Form>(Scratch::kPackedY, tiling, to.channels);
  tiling.for_each_block([&](std::int64_t first, std::int64_t tiles) {
    gather<Form::kBt>(tiling, first, tiles, from, {Form::kStride, padding}, x, v);
    multiply<Form>(shape, tiles, from.channels, to.channels, v, u, !turned, m);
    parallel_for(tiles, kTilesPerTask, [&](std::int64_t begin, std::int64_t end) {
      scatter<Form::kAt>(tiling, first, tiles, begin, end, to, {}, m, epilogue, y);
    });
  });
}

/// gx by overlapping tiles, which one thread adds up image by image.
template <class Form>
void input_grad(const ConvShape& shape, const Images& x_images, const Images& y_images,
                const float* gy, const float* u, float* gx) {
  Tiling tiling(shape.batch, y_images, kPoints<Form>, shape.channels + shape.filters);
  tiling.round_blocks_up_to_images();
  const std::int64_t image_size = x_images.height * x_images.width * x_images.channels;
  float* g = block_buffer<Form>(Scratch::kPackedY, tiling, shape.filters);
  float* m = block_buffer<Form>(Scratch::kPackedX, tiling, shape.channels);
  tiling.for_each_block([&](std::int64_t first, std::int64_t tiles) {
    gather<kA<Form>>(tiling, first, tiles, y_images, {}, gy, g);
    multiply<Form>(shape, tiles, shape.filters, shape.channels, g, u, false, m);
    const std::int64_t per_image = tiling.per_image();
    parallel_for(tiles / per_image, 1, [&](std::int64_t begin, std::int64_t end) {
      std::fill_n(gx + (first / per_image + begin) * image_size, (end - begin) * image_size, 0.0F);
      scatter<kB<Form>>(tiling, first, tiles, begin * per_image, end * per_image, x_images,
                        {Form::kStride, shape.padding}, m, {.accumulate = true}, gx);
    });
  });
}

template <class Form>
void weight_grad(const ConvShape& shape, const Images& x_images, const Images& y_images,
                 const float* x, const float* gy, float* gw) {
  const std::int64_t c = shape.channels;
  const std::int64_t o = shape.filters;
  const Tiling tiling(shape.batch, y_images, kPoints<Form>, c + o);
  auto* gu = scratch<float>(Scratch::kPackedWeights, transformed_size<Form>(shape));
  float* v = block_buffer<Form>(Scratch::kPackedX, tiling, c);
  float* g = block_buffer<Form>(Scratch::kPackedY, tiling, o);
  tiling.for_each_block([&](std::int64_t first, std::int64_t tiles) {
    const std::int64_t v_plane = plane_stride(tiles, c);
    const std::int64_t g_plane = plane_stride(tiles, o);
    gather<Form::kBt>(tiling, first, tiles, x_images, {Form::kStride, shape.padding}, x, v);
    gather<kA<Form>>(tiling, first, tiles, y_images, {}, gy, g);
    parallel_for(kPoints<Form>, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        gemm(o, c, tiles, {g + p * g_plane, o, true}, {v + p * v_plane, c}, gu + p * o * c, c,
             first > 0);
      }
    });
  });
  parallel_for(o, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t filter = begin; filter < end; ++filter) {
      for (std::int64_t channel = 0; channel < c; channel += kLanes) {
        Lanes in[kPoints<Form>];
        Lanes out[9];
        for (int p = 0; p < kPoints<Form>; ++p) in[p] = load(gu + (p * o + filter) * c + channel);
        transform<kGt<Form>>(in, out);
        for (int i = 0; i < 9; ++i) store(out[i], gw + (filter * 9 + i) * c + channel);
      }
    }
  });
}

template <class Form>
void run_face(ConvFace face, const ConvShape& shape, const float* x, const float* w,
              const float* y) {
  const Images x_images{shape.height, shape.width, shape.channels};
  const Images y_images{shape.out_height(), shape.out_width(), shape.filters};
  if (face == ConvFace::kWeightGrad) {
    weight_grad<Form>(shape, x_images, y_images, x, y, const_cast<float*>(w));
    return;
  }
  const bool turned = face == ConvFace::kInputGrad && Form::kStride == 1;
  auto* u = scratch<float>(Scratch::kPackedWeights, transformed_size<Form>(shape));
  transform_weights<Form>(shape, w, turned, u);
  if (face == ConvFace::kForward) {
    convolve<Form>(shape, x_images, y_images, shape.padding, false, x, u, {},
                   const_cast<float*>(y));
  } else if (turned) {
    convolve<Form>(shape, y_images, x_images, 2 - shape.padding, true, y, u, {},
                   const_cast<float*>(x));
  } else {
    input_grad<Form>(shape, x_images, y_images, y, u, const_cast<float*>(x));
  }
}

template <class Form>
std::vector<float> transformed(const ConvShape& shape, const float* w) {
  std::vector<float> u(transformed_size<Form>(shape));
  transform_weights<Form>(shape, w, false, u.data());
  return u;
}

}  // namespace

bool winograd_takes(const ConvShape& s) {
  constexpr std::int64_t kMostPixels = 4096;  // of an image: input_grad() holds all its tiles
  const std::int64_t pixels = s.out_height() * s.out_width();
  return s.kernel_height == 3 && s.kernel_width == 3 && s.padding <= 2 &&
         (s.stride == 1 || (s.stride == 2 && pixels <= kMostPixels)) && s.channels % kLanes == 0 &&
         s.filters % kLanes == 0;
}

bool winograd_pays(const ConvShape& s) {
  const std::int64_t fewest_channels = s.stride == 1 ? 32 : 64;
  constexpr std::int64_t kFewestPixels = 2048;  // of a batch, to share the transformed weights
  return winograd_takes(s) && std::min(s.channels, s.filters) >= fewest_channels &&
         s.batch * s.out_height() * s.out_width() >= kFewestPixels;
}

bool library_has_winograd() { return onednn::has_winograd(); }

void winograd_convolution(ConvFace face, const ConvShape& shape, const float* x, const float* w,
                          const float* y) {
  if (shape.stride == 1) {
    run_face<Stride1>(face, shape, x, w, y);
  } else {
    run_face<Stride2>(face, shape, x, w, y);
  }
}

WinogradForward::WinogradForward(const ConvShape& shape, const float* w, const float* bias)
    : shape_(shape),
      weights_(shape.stride == 1 ? transformed<Stride1>(shape, w) : transformed<Stride2>(shape, w)),
      bias_(bias, bias + shape.filters) {}

void WinogradForward::run(const float* x, float* y, bool accumulate, bool relu) const {
  const auto convolution = shape_.stride == 1 ? convolve<Stride1> : convolve<Stride2>;
  convolution(shape_, {shape_.height, shape_.width, shape_.channels},
              {shape_.out_height(), shape_.out_width(), shape_.filters}, shape_.padding, false, x,
              weights_.data(), {.bias = bias_.data(), .accumulate = accumulate, .relu = relu}, y);
}

}  // namespace switchyard::kernels
