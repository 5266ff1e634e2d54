#include "kernels/api/conv2d.h"

#include <algorithm>

#include "kernels/api/provide.h"
#include "kernels/cpu/conv2d_patches.h"
#include "kernels/cpu/conv2d_plain.h"
#include "kernels/cpu/conv_primitive.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/winograd.h"

// This file holds the convolutions' ladders. float32: plain loops, oneDNN's direct algorithm,
// Winograd's algorithm (our own where the library has none); float64: plain loops, patches times
// weights by Eigen.

namespace switchyard::kernels {
namespace {

// ---- the faces as one form of x, w and y

struct Form {
  ConvFace face;
  const float *x, *w, *y;  // two are read, the third is written
  float* result;
  std::int64_t result_size;
};
Form form_of(const Conv2d<float>& a) {
  return {ConvFace::kForward, a.x, a.w, a.y, a.y, a.shape.y_size()};
}
Form form_of(const Conv2dInputGrad<float>& a) {
  return {ConvFace::kInputGrad, a.gx, a.w, a.gy, a.gx, a.shape.x_size()};
}
Form form_of(const Conv2dWeightGrad<float>& a) {
  return {ConvFace::kWeightGrad, a.x, a.gw, a.gy, a.gw, a.shape.w_size()};
}

bool empty(const ConvShape& shape) {
  return shape.x_size() == 0 || shape.y_size() == 0 || shape.w_size() == 0;
}

// ---- algorithms: whether one takes a shape, whether it is then the fastest, and running it

struct Direct {
  static bool takes(ConvFace, const ConvShape&) { return true; }
  static bool pays(ConvFace, const ConvShape&) { return true; }
  static void run(ConvFace face, const ConvShape& shape, int threads, const float* x,
                  const float* w, const float* y) {
    run_onednn_convolution(face, shape, ConvAlgorithm::kDirect, threads, x, w, y);
  }
};

/// F(4x4, 3x3) of our own, for where the library has none: oneDNN 3, and any version without
/// AVX-512.
struct OwnWinograd {
  static bool takes(ConvFace, const ConvShape& shape) {
    return !empty(shape) && winograd_takes(shape);
  }
  static bool pays(ConvFace, const ConvShape& shape) {
    return !library_has_winograd() && winograd_pays(shape);
  }
  static void run(ConvFace face, const ConvShape& shape, int /*threads*/, const float* x,
                  const float* w, const float* y) {
    winograd_convolution(face, shape, x, w, y);
  }
};

/// The library's F(4x4, 3x3) needs layouts of its own. Together with the copies it wins on layers
/// with many channels and enough pixels to share the transformed weights; its error is at most four
/// times the direct algorithm's (docs/design/layout.md).
struct LibraryWinograd {
  static bool takes(ConvFace face, const ConvShape& s) {
    return library_has_winograd() && !empty(s) && s.kernel_height == 3 && s.kernel_width == 3 &&
           s.stride == 1 && s.channels % 16 == 0 && s.filters % 16 == 0 &&
           onednn_has(face, s, ConvAlgorithm::kWinograd);
  }
  static bool pays(ConvFace face, const ConvShape& s) {
    const std::int64_t least = face == ConvFace::kWeightGrad ? 128 : 64;
    return std::min(s.channels, s.filters) >= least &&
           s.batch * s.out_height() * s.out_width() >= 2048;
  }
  static void run(ConvFace face, const ConvShape& shape, int threads, const float* x,
                  const float* w, const float* y) {
    run_onednn_convolution(face, shape, ConvAlgorithm::kWinograd, threads, x, w, y);
  }
};

// ---- the same bits for any thread count: a number of chunks that depends on the batch alone

constexpr std::int64_t kChunks = 8;

std::int64_t images_per_chunk(const ConvShape& shape) {
  return (shape.batch + kChunks - 1) / kChunks;
}

/// Calls body(chunk, its shape, first x, first y) for every chunk of images, one thread each.
template <class Body>
void for_each_chunk(const ConvShape& shape, const float* x, const float* y, const Body& body) {
  parallel_chunks(shape.batch, images_per_chunk(shape),
                  [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
                    const SingleThread scope;
                    ConvShape part = shape;
                    part.batch = end - begin;
                    body(chunk, part, x + begin * (shape.x_size() / shape.batch),
                         y + begin * (shape.y_size() / shape.batch));
                  });
}

/// A chunk by the algorithm where it pays for so few images, or else by the direct one.
template <class Algorithm>
void run_chunk(ConvFace face, const ConvShape& part, const float* x, const float* w,
               const float* y) {
  if (Algorithm::takes(face, part) && Algorithm::pays(face, part)) {
    Algorithm::run(face, part, 1, x, w, y);
  } else {
    Direct::run(face, part, 1, x, w, y);
  }
}

template <class Algorithm>
void weight_grad_in_chunks(const ConvShape& shape, const Form& f) {
  const std::int64_t size = shape.w_size();
  const std::int64_t chunks = (shape.batch + images_per_chunk(shape) - 1) / images_per_chunk(shape);
  auto* partial = scratch<float>(Scratch::kPartialSums, static_cast<std::size_t>(chunks * size));
  for_each_chunk(shape, f.x, f.y,
                 [&](std::int64_t chunk, const ConvShape& part, const float* x, const float* gy) {
                   run_chunk<Algorithm>(f.face, part, x, partial + chunk * size, gy);
                 });
  parallel_for(size, 4096, [&](std::int64_t begin, std::int64_t end) {
    std::copy(partial + begin, partial + end, f.result + begin);
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
      const float* addend = partial + chunk * size;
      for (std::int64_t i = begin; i < end; ++i) f.result[i] += addend[i];
    }
  });
}

// ---- rungs

template <class Algorithm, class Op>
void convolve(Cpu& cpu, const Op& a) {
  const Form f = form_of(a);
  if (empty(a.shape)) {
    std::fill_n(f.result, f.result_size, 0.0F);
  } else if (!cpu.reproducible) {
    Algorithm::run(f.face, a.shape, thread_count(), f.x, f.w, f.y);
  } else if (f.face == ConvFace::kWeightGrad) {
    weight_grad_in_chunks<Algorithm>(a.shape, f);
  } else {
    for_each_chunk(a.shape, f.x, f.y,
                   [&](std::int64_t, const ConvShape& part, const float* x, const float* y) {
                     run_chunk<Algorithm>(f.face, part, x, f.w, y);
                   });
  }
}

template <class Algorithm, class Op>
bool takes(const Op& a) {
  return Algorithm::takes(form_of(a).face, a.shape);
}
template <class Algorithm, class Op>
bool pays(const Op& a) {
  return Algorithm::pays(form_of(a).face, a.shape);
}

/// The names are those of a face's kernel with the technique.
template <class Op>
constexpr auto float32_ladder(std::string_view plain, std::string_view direct,
                              std::string_view winograd, std::string_view library_winograd) {
  return std::to_array<Rung<Cpu, Op>>(
      {{plain, conv2d_plain_loops},
       {direct, convolve<Direct, Op>},
       {winograd,
        convolve<OwnWinograd, Op>,
        {"3x3 kernels at stride 1 or 2, padding at most 2, channels and filters multiples of 8",
         takes<OwnWinograd, Op>},
        {"where oneDNN has no Winograd, with enough channels and pixels", pays<OwnWinograd, Op>}},
       {library_winograd,
        convolve<LibraryWinograd, Op>,
        {"oneDNN 2 with AVX-512, 3x3 kernels at stride 1, channels and filters multiples of 16",
         takes<LibraryWinograd, Op>},
        {"enough channels and pixels", pays<LibraryWinograd, Op>}}});
}

template <class Op>
constexpr auto float64_ladder(std::string_view plain, std::string_view patches) {
  return std::to_array<Rung<Cpu, Op>>(
      {{plain, conv2d_plain_loops}, {patches, conv2d_eigen_patches}});
}

}  // namespace

template <>
constexpr auto kRungs<Cpu, Conv2d<float>> = float32_ladder<Conv2d<float>>("conv2d_plain_loops",
                                                                          "conv2d_onednn_direct",
                                                                          "conv2d_winograd",
                                                                          "conv2d_onednn_winograd");
template <>
constexpr auto kRungs<Cpu, Conv2dInputGrad<float>> = float32_ladder<Conv2dInputGrad<float>>(
    "conv2d_input_grad_plain_loops", "conv2d_input_grad_onednn_direct",
    "conv2d_input_grad_winograd", "conv2d_input_grad_onednn_winograd");
template <>
constexpr auto kRungs<Cpu, Conv2dWeightGrad<float>> = float32_ladder<Conv2dWeightGrad<float>>(
    "conv2d_weight_grad_plain_loops", "conv2d_weight_grad_onednn_direct",
    "conv2d_weight_grad_winograd", "conv2d_weight_grad_onednn_winograd");

template <>
constexpr auto kRungs<Cpu, Conv2d<double>> = float64_ladder<Conv2d<double>>("conv2d_plain_loops",
                                                                            "conv2d_eigen_patches");
template <>
constexpr auto kRungs<Cpu, Conv2dInputGrad<double>> = float64_ladder<Conv2dInputGrad<double>>(
    "conv2d_input_grad_plain_loops", "conv2d_input_grad_eigen_patches");
template <>
constexpr auto kRungs<Cpu, Conv2dWeightGrad<double>> = float64_ladder<Conv2dWeightGrad<double>>(
    "conv2d_weight_grad_plain_loops", "conv2d_weight_grad_eigen_patches");

template struct Provides<Cpu, Conv2d<float>, Conv2d<double>, Conv2dInputGrad<float>,
                         Conv2dInputGrad<double>, Conv2dWeightGrad<float>,
                         Conv2dWeightGrad<double>>;

}  // namespace switchyard::kernels
