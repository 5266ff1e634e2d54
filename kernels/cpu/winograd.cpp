#include "kernels/cpu/winograd.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

// y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A for a 6x6 tile of x, a 3x3 kernel w and a 4x4 tile of y. At each
// of the 36 points of the transformed tile the sum over channels is a matrix product over all
// tiles. The form is trilinear, so the weight gradient uses the same matrices the other way round:
// gw = Gᵀ [(A gy Aᵀ) ⊙ (Bᵀ x B)] G. The input gradient is the convolution of gy with the kernels
// turned by half a turn.

namespace switchyard::kernels {
namespace {

constexpr int kTile = 6;         // of x, and of everything transformed
constexpr int kOut = kTile - 2;  // of y
constexpr int kPoints = kTile * kTile;
constexpr std::int64_t kLanes = 8;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));  // of eight channels

template <std::size_t R, std::size_t S>
using Matrix = std::array<std::array<float, S>, R>;

template <std::size_t R, std::size_t S>
constexpr Matrix<S, R> transposed(const Matrix<R, S>& m) {
  Matrix<S, R> t{};
  for (std::size_t i = 0; i < R; ++i) {
    for (std::size_t j = 0; j < S; ++j) t[j][i] = m[i][j];
  }
  return t;
}

// Interpolation points 0, ±1, ±2 and infinity.
constexpr Matrix<6, 6> kBt = {{{4, 0, -5, 0, 1, 0},
                               {0, -4, -4, 1, 1, 0},
                               {0, 4, -4, -1, 1, 0},
                               {0, -2, -1, 2, 1, 0},
                               {0, 2, -1, -2, 1, 0},
                               {0, 4, 0, -5, 0, 1}}};
constexpr Matrix<6, 3> kG = {{{1.0F / 4, 0, 0},
                              {-1.0F / 6, -1.0F / 6, -1.0F / 6},
                              {-1.0F / 6, 1.0F / 6, -1.0F / 6},
                              {1.0F / 24, 1.0F / 12, 1.0F / 6},
                              {1.0F / 24, -1.0F / 12, 1.0F / 6},
                              {0, 0, 1}}};
constexpr Matrix<4, 6> kAt = {
    {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}}};
constexpr Matrix<6, 4> kA = transposed(kAt);
constexpr Matrix<3, 6> kGt = transposed(kG);

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

/// The tiles of one convolution's output, in blocks whose transforms stay in the cache. The sizes
/// depend on the shape alone, so sums over blocks have the same bits for any thread count.
struct Tiling {
  std::int64_t rows, columns, count, block;

  Tiling(std::int64_t batch, std::int64_t out_height, std::int64_t out_width, std::int64_t channels)
      : rows((out_height + kOut - 1) / kOut),
        columns((out_width + kOut - 1) / kOut),
        count(batch * rows * columns) {
    constexpr std::int64_t kBlockBytes = 1 << 20;
    constexpr std::int64_t kSmallest = 128;  // rows of a product
    const auto tile_bytes = static_cast<std::int64_t>(kPoints * sizeof(float)) * channels;
    block = std::min(count, std::max(kSmallest, kBlockBytes / tile_bytes));
  }

  struct Place {
    std::int64_t image, top, left;
  };
  Place place(std::int64_t tile) const {
    return {tile / (rows * columns), tile / columns % rows * kOut, tile % columns * kOut};
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

/// Floats from one point's matrix [tiles, C] to the next one's. A power of two would put all 36
/// of a tile into the same few lines of the first-level cache; one cache line more does not.
std::int64_t plane_stride(std::int64_t tiles, std::int64_t channels) {
  constexpr std::int64_t kCacheLine = 64 / sizeof(float);
  return tiles * channels + kCacheLine;
}

/// v [kPoints, tiles, C] = M t Mᵀ for tiles t of `images` as large as M has columns, `kOut` apart,
/// the first one beginning `padding` before the edge; zero outside.
template <const auto& M>
void gather(const Tiling& tiling, std::int64_t first, std::int64_t tiles, const Images& images,
            std::int64_t padding, const float* x, float* v) {
  constexpr int kSize = M[0].size();
  const std::int64_t channels = images.channels;
  const std::int64_t plane = plane_stride(tiles, channels);
  parallel_for(tiles, kTilesPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const auto [image, top, left] = tiling.place(first + tile);
      const float* pixels[kSize * kSize];  // null where outside
      for (int i = 0; i < kSize * kSize; ++i) {
        const std::int64_t row = top - padding + i / kSize;
        const std::int64_t column = left - padding + i % kSize;
        const bool inside = row >= 0 && row < images.height && column >= 0 && column < images.width;
        pixels[i] = inside ? x + ((image * images.height + row) * images.width + column) * channels
                           : nullptr;
      }
      for (std::int64_t c = 0; c < channels; c += kLanes) {
        Lanes in[kSize * kSize];
        Lanes out[kPoints];
        for (int i = 0; i < kSize * kSize; ++i) {
          in[i] = pixels[i] == nullptr ? Lanes{} : load(pixels[i] + c);
        }
        transform<M>(in, out);
        for (int p = 0; p < kPoints; ++p) store(out[p], v + p * plane + tile * channels + c);
      }
    }
  });
}

/// What happens to a result on its way to memory, in this order.
struct Epilogue {
  const float* bias = nullptr;  // [C], added
  bool accumulate = false;      // adds what is there already
  bool relu = false;
};

/// The other way for y: tiles Aᵀ m A of m [kPoints, tiles, C], as far as they lie in `images`.
void scatter(const Tiling& tiling, std::int64_t first, std::int64_t tiles, const Images& images,
             const float* m, const Epilogue& epilogue, float* y) {
  const std::int64_t channels = images.channels;
  const std::int64_t plane = plane_stride(tiles, channels);
  parallel_for(tiles, kTilesPerTask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const auto [image, top, left] = tiling.place(first + tile);
      const std::int64_t height = std::min<std::int64_t>(kOut, images.height - top);
      const std::int64_t width = std::min<std::int64_t>(kOut, images.width - left);
      for (std::int64_t c = 0; c < channels; c += kLanes) {
        Lanes in[kPoints];
        Lanes out[kOut * kOut];
        for (int p = 0; p < kPoints; ++p) in[p] = load(m + p * plane + tile * channels + c);
        transform<kAt>(in, out);
        const Lanes bias = epilogue.bias == nullptr ? Lanes{} : load(epilogue.bias + c);
        for (std::int64_t i = 0; i < height; ++i) {
          float* row = y + ((image * images.height + top + i) * images.width + left) * channels + c;
          for (std::int64_t j = 0; j < width; ++j) {
            Lanes value = out[i * kOut + j] + bias;
            if (epilogue.accumulate) value += load(row + j * channels);
            if (epilogue.relu) value = value < 0.0F ? Lanes{} : value;  // keeps NaN
            store(value, row + j * channels);
          }
        }
      }
    }
  });
}

/// u [kPoints, O, C] = G w Gᵀ of w [O, 3, 3, C], each kernel turned by half a turn if `turned`.
void transform_weights(const ConvShape& shape, const float* w, bool turned, float* u) {
  parallel_for(shape.filters, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      for (std::int64_t c = 0; c < shape.channels; c += kLanes) {
        Lanes in[9];
        Lanes out[kPoints];
        for (int i = 0; i < 9; ++i) {
          in[i] = load(w + (o * 9 + (turned ? 8 - i : i)) * shape.channels + c);
        }
        transform<kG>(in, out);
        for (int p = 0; p < kPoints; ++p) {
          store(out[p], u + (p * shape.filters + o) * shape.channels + c);
        }
      }
    }
  });
}

float* block_buffer(Scratch buffer, const Tiling& tiling, std::int64_t channels) {
  return scratch<float>(buffer,
                        static_cast<std::size_t>(kPoints * plane_stride(tiling.block, channels)));
}
float* weights_buffer(const ConvShape& shape) {
  return scratch<float>(Scratch::kPackedWeights,
                        static_cast<std::size_t>(kPoints * shape.filters * shape.channels));
}

/// `to` = convolution of `from` with the transformed weights u [kPoints, O, C], which at each point
/// are multiplied from the right as [C, O] (forward) or, `turned`, as [O, C] (input gradient).
void convolve(const ConvShape& shape, const Images& from, const Images& to, std::int64_t padding,
              bool turned, const float* x, const float* u, const Epilogue& epilogue, float* y) {
  const Tiling tiling(shape.batch, to.height, to.width, from.channels + to.channels);
  float* v = block_buffer(Scratch::kPackedX, tiling, from.channels);
  float* m = block_buffer(Scratch::kPackedY, tiling, to.channels);
  tiling.for_each_block([&](std::int64_t first, std::int64_t tiles) {
    const std::int64_t v_plane = plane_stride(tiles, from.channels);
    const std::int64_t m_plane = plane_stride(tiles, to.channels);
    gather<kBt>(tiling, first, tiles, from, padding, x, v);
    parallel_for(kPoints, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        gemm(tiles, to.channels, from.channels, {v + p * v_plane, from.channels},
             {u + p * shape.filters * shape.channels, shape.channels, !turned}, m + p * m_plane,
             to.channels);
      }
    });
    scatter(tiling, first, tiles, to, m, epilogue, y);
  });
}

void weight_grad(const ConvShape& shape, const Images& x_images, const Images& y_images,
                 const float* x, const float* gy, float* gw) {
  const std::int64_t c = shape.channels;
  const std::int64_t o = shape.filters;
  const Tiling tiling(shape.batch, y_images.height, y_images.width, c + o);
  float* gu = weights_buffer(shape);  // [kPoints, O, C]
  float* v = block_buffer(Scratch::kPackedX, tiling, c);
  float* g = block_buffer(Scratch::kPackedY, tiling, o);
  tiling.for_each_block([&](std::int64_t first, std::int64_t tiles) {
    const std::int64_t v_plane = plane_stride(tiles, c);
    const std::int64_t g_plane = plane_stride(tiles, o);
    gather<kBt>(tiling, first, tiles, x_images, shape.padding, x, v);
    gather<kA>(tiling, first, tiles, y_images, 0, gy, g);
    parallel_for(kPoints, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        gemm(o, c, tiles, {g + p * g_plane, o, true}, {v + p * v_plane, c}, gu + p * o * c, c,
             first > 0);
      }
    });
  });
  parallel_for(o, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t filter = begin; filter < end; ++filter) {
      for (std::int64_t channel = 0; channel < c; channel += kLanes) {
        Lanes in[kPoints];
        Lanes out[9];
        for (int p = 0; p < kPoints; ++p) in[p] = load(gu + (p * o + filter) * c + channel);
        transform<kGt>(in, out);
        for (int i = 0; i < 9; ++i) store(out[i], gw + (filter * 9 + i) * c + channel);
      }
    }
  });
}

}  // namespace

bool winograd_pays(const ConvShape& s) {
  constexpr std::int64_t kFewestChannels = 32;
  constexpr std::int64_t kFewestPixels = 2048;  // of a batch, to share the transformed weights
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.padding <= 2 &&
         s.channels % kLanes == 0 && s.filters % kLanes == 0 &&
         std::min(s.channels, s.filters) >= kFewestChannels &&
         s.batch * s.out_height() * s.out_width() >= kFewestPixels;
}

void winograd_convolution(ConvFace face, const ConvShape& shape, const float* x, const float* w,
                          const float* y) {
  const Images x_images{shape.height, shape.width, shape.channels};
  const Images y_images{shape.out_height(), shape.out_width(), shape.filters};
  if (face == ConvFace::kWeightGrad) {
    weight_grad(shape, x_images, y_images, x, y, const_cast<float*>(w));
    return;
  }
  const bool turned = face == ConvFace::kInputGrad;
  float* u = weights_buffer(shape);
  transform_weights(shape, w, turned, u);
  if (turned) {
    convolve(shape, y_images, x_images, 2 - shape.padding, true, y, u, {}, const_cast<float*>(x));
  } else {
    convolve(shape, x_images, y_images, shape.padding, false, x, u, {}, const_cast<float*>(y));
  }
}

WinogradForward::WinogradForward(const ConvShape& shape, const float* w, const float* bias)
    : shape_(shape),
      weights_(static_cast<std::size_t>(kPoints * shape.filters * shape.channels)),
      bias_(bias, bias + shape.filters) {
  transform_weights(shape, w, false, weights_.data());
}

void WinogradForward::run(const float* x, float* y, bool accumulate, bool relu) const {
  convolve(shape_, {shape_.height, shape_.width, shape_.channels},
           {shape_.out_height(), shape_.out_width(), shape_.filters}, shape_.padding, false, x,
           weights_.data(), {.bias = bias_.data(), .accumulate = accumulate, .relu = relu}, y);
}

}  // namespace switchyard::kernels
