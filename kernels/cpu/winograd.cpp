#include "kernels/cpu/winograd.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd_form.h"

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

using winograd::kA;
using winograd::kB;
using winograd::kGt;
using winograd::kOut;
using winograd::kPoints;
using winograd::Stride1;
using winograd::Stride2;

constexpr std::int64_t kLanes = 8;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));  // of eight channels

/// Σ_j M[i][j] x[j · stride], without the zeros of M.
template <const auto& M, int I, std::size_t... J>
Lanes row_times(const Lanes* x, int stride, std::index_sequence<J...>) {
  Lanes sum = {};
  const auto add = [&]<std::size_t Column>() {
    if constexpr (M[I][Column] == 1) sum += x[Column * stride];
    if constexpr (M[I][Column] == -1) sum -= x[Column * stride];
    if constexpr (M[I][Column] * M[I][Column] != 1 && M[I][Column] != 0) {
      sum += M[I][Column] * x[Column * stride];
    }
  };
  (add.template operator()<J>(), ...);
  return sum;
}

/// M x for a column x, elements `stride` apart, to y, likewise.
template <const auto& M, std::size_t... I>
void times_column(const Lanes* x, int stride, Lanes* y, int y_stride, std::index_sequence<I...>) {
  constexpr auto kColumns = std::make_index_sequence<M[0].size()>{};
  ((y[I * y_stride] = row_times<M, I>(x, stride, kColumns)), ...);
}

/// y [R, R] = M x Mᵀ for x [S, S] and M [R, S].
template <const auto& M>
void transform(const Lanes* x, Lanes* y) {
  constexpr int kRows = M.size();
  constexpr int kColumns = M[0].size();
  constexpr auto kEach = std::make_index_sequence<kRows>{};
  Lanes half[kRows * kColumns];
  for (int j = 0; j < kColumns; ++j) times_column<M>(x + j, kColumns, half + j, kColumns, kEach);
  for (int i = 0; i < kRows; ++i) times_column<M>(half + i * kColumns, 1, y + i * kRows, 1, kEach);
}

Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}
void store(const Lanes& lanes, float* to) { std::memcpy(to, &lanes, sizeof lanes); }

/// Sizes of images [N, H, W, C].
struct Images {
  std::int64_t height, width, channels;
};

/// Says where tiles lie in images: the tile of the output pixel (i, j) begins at the pixel
/// (stride · i - padding, stride · j - padding).
struct Grid {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
};

/// The tiles of one convolution's output, in blocks whose transforms stay in the cache. The sizes
/// depend on the shape alone, so sums over blocks have the same bits for any thread count.
struct Tiling {
  std::int64_t rows, columns, count, block;

  /// Sizes the blocks for matrices of `channels` columns in all at each of `points` points.
  Tiling(std::int64_t batch, const Images& out, int points, std::int64_t channels)
      : rows((out.height + kOut - 1) / kOut),
        columns((out.width + kOut - 1) / kOut),
        count(batch * rows * columns) {
    constexpr std::int64_t kBlockBytes = 1 << 20;
    constexpr std::int64_t kSmallest = 128;  // rows of a product
    const auto tile_bytes = static_cast<std::int64_t>(points * sizeof(float)) * channels;
    block = std::min(count, std::max(kSmallest, kBlockBytes / tile_bytes));
  }

  std::int64_t per_image() const { return rows * columns; }
  /// Makes blocks whole images, for work that one thread does image by image.
  void round_blocks_up_to_images() {
    block = std::min(count, (block + per_image() - 1) / per_image() * per_image());
  }

  struct Place {
    std::int64_t image, top, left;  // of a tile's first pixel, which may lie outside
  };
  Place place(std::int64_t tile, const Grid& grid) const {
    return {tile / per_image(), tile / columns % rows * kOut * grid.stride - grid.padding,
            tile % columns * kOut * grid.stride - grid.padding};
  }
  /// body(first tile, tiles) for every block.
  template <class Body>
  void for_each_block(const Body& body) const {
    for (std::int64_t first = 0; first < count; first += block) {
      body(first, std::min(block, count - first));
    }
  }
};

constexpr std::int64_t kTilesPerTask = 4;

/// Floats from one point's matrix [tiles, C] to the next one's. A power of two would put all points
/// of a tile into the same few lines of the first-level cache; one cache line more does not.
std::int64_t plane_stride(std::int64_t tiles, std::int64_t channels) {
  constexpr std::int64_t kCacheLine = 64 / sizeof(float);
  return tiles * channels + kCacheLine;
}

/// The addresses of the pixels of a tile of `Edge` x `Edge`; null where outside.
template <std::size_t Edge, class T>
std::array<T*, Edge * Edge> pixels_of(const Tiling::Place& place, const Images& images, T* x) {
  std::array<T*, Edge * Edge> pixels;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::int64_t row = place.top + static_cast<std::int64_t>(i / Edge);
    const std::int64_t column = place.left + static_cast<std::int64_t>(i % Edge);
    const bool inside = row >= 0 && row < images.height && column >= 0 && column < images.width;
    pixels[i] =
        inside ? x + ((place.image * images.height + row) * images.width + column) * images.channels
               : nullptr;
  }
  return pixels;
}

/// v [points, tiles, C] = M t Mᵀ for tiles t of `images`, zero outside.
template <const auto& M>
void gather(const Tiling& tiling, std::int64_t first, std::int64_t tiles, const Images& images,
            const Grid& grid, const float* x, float* v) {
  constexpr std::size_t kEdge = M[0].size();
  constexpr std::size_t kValues = M.size() * M.size();
  const std::int64_t channels = images.channels;
  const std::int64_t plane = plane_stride(tiles, channels);
  parallel_for(tiles, kTilesPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const auto pixels = pixels_of<kEdge>(tiling.place(first + tile, grid), images, x);
      float* to = v + tile * channels;
      for (std::int64_t c = 0; c < channels; c += kLanes) {
        Lanes in[kEdge * kEdge];
        Lanes out[kValues];
        for (std::size_t i = 0; i < pixels.size(); ++i) {
          in[i] = pixels[i] == nullptr ? Lanes{} : load(pixels[i] + c);
        }
        transform<M>(in, out);
        for (std::size_t p = 0; p < kValues; ++p) {
          store(out[p], to + static_cast<std::int64_t>(p) * plane + c);
        }
      }
    }
  });
}

/// Lists what happens to a result on its way to memory, in this order.
struct Epilogue {
  const float* bias = nullptr;  // [C], added
  bool accumulate = false;      // adds what is there already
  bool relu = false;
};

/// The other way, for the tiles [begin, end) of a block: tiles M m Mᵀ of m [points, tiles, C], as
/// far as they lie in `images`.
template <const auto& M>
void scatter(const Tiling& tiling, std::int64_t first, std::int64_t tiles, std::int64_t begin,
             std::int64_t end, const Images& images, const Grid& grid, const float* m,
             const Epilogue& epilogue, float* y) {
  constexpr std::size_t kValues = M[0].size() * M[0].size();
  const std::int64_t channels = images.channels;
  const std::int64_t plane = plane_stride(tiles, channels);
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const auto pixels = pixels_of<M.size()>(tiling.place(first + tile, grid), images, y);
    const float* from = m + tile * channels;
    for (std::int64_t c = 0; c < channels; c += kLanes) {
      Lanes in[kValues];
      Lanes out[M.size() * M.size()];
      for (std::size_t p = 0; p < kValues; ++p) {
        in[p] = load(from + static_cast<std::int64_t>(p) * plane + c);
      }
      transform<M>(in, out);
      const Lanes bias = epilogue.bias == nullptr ? Lanes{} : load(epilogue.bias + c);
      for (std::size_t i = 0; i < pixels.size(); ++i) {
        if (pixels[i] == nullptr) continue;
        Lanes value = out[i] + bias;
        if (epilogue.accumulate) value += load(pixels[i] + c);
        if (epilogue.relu) value = value < 0.0F ? Lanes{} : value;  // keeps NaN
        store(value, pixels[i] + c);
      }
    }
  }
}

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
