#include "kernels/api/conv2d.h"

#include <algorithm>
#include <optional>

#include "kernels/cpu/lru_cache.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

// float32 convolutions by oneDNN. Activations stay NHWC; weights are repacked on every call, which
// costs little (docs/design/layout.md).

namespace switchyard::kernels {
namespace {

enum class Face { kForward, kInputGrad, kWeightGrad };

/// oneDNN splits the work when it makes the primitive, so the thread count belongs to the key.
struct ConvKey {
  Face face;
  ConvShape shape;
  int threads;
  bool operator==(const ConvKey&) const = default;
};

struct ConvKeyHash {
  std::size_t operator()(const ConvKey& key) const {
    const ConvShape& s = key.shape;
    std::size_t hash = 0;
    for (std::int64_t part : {static_cast<std::int64_t>(key.face), s.batch, s.height, s.width,
                              s.channels, s.filters, s.kernel_height, s.kernel_width, s.stride,
                              s.padding, static_cast<std::int64_t>(key.threads)}) {
      hash = (hash ^ static_cast<std::size_t>(part)) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

/// One face of the trilinear form for one shape: of x, w and y, two are read and one is written.
class ConvPrimitive {
 public:
  ConvPrimitive(Face face, const ConvShape& shape) : face_(face), plain_(shape) {
    onednn::ConvLayouts layouts = plain_;
    layouts.w = onednn::with_layout(plain_.w, dnnl::memory::format_tag::any);
    if (face == Face::kForward) {
      const auto pd = onednn::forward(shape, dnnl::prop_kind::forward_training,
                                      dnnl::algorithm::convolution_direct, layouts, {},
                                      onednn::plain_attributes());
      finish(dnnl::convolution_forward(pd), pd.weights_desc(), pd.scratchpad_desc());
    } else if (face == Face::kInputGrad) {
      const auto pd = onednn::input_grad(shape, layouts);
      finish(dnnl::convolution_backward_data(pd), pd.weights_desc(), pd.scratchpad_desc());
    } else {
      const auto pd = onednn::weight_grad(shape, layouts);
      finish(dnnl::convolution_backward_weights(pd), pd.diff_weights_desc(), pd.scratchpad_desc());
    }
  }

  void run(const float* x, const float* w, const float* y) const {
    const bool writes_w = face_ == Face::kWeightGrad;
    const dnnl::memory plain_w = onednn::view(plain_.w, w);
    dnnl::memory packed_w = plain_w;
    if (repack_) {
      packed_w = onednn::view(packed_, scratch(Scratch::kPackedWeights, packed_.get_size()));
      if (!writes_w) onednn::run(*repack_, {}, {{DNNL_ARG_FROM, plain_w}, {DNNL_ARG_TO, packed_w}});
    }
    const int x_arg = face_ == Face::kInputGrad ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC;
    const int w_arg = writes_w ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
    const int y_arg = face_ == Face::kForward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST;
    onednn::run(compute_, scratchpad_,
                {{x_arg, onednn::view(plain_.x, x)},
                 {w_arg, packed_w},
                 {y_arg, onednn::view(plain_.y, y)}});
    if (repack_ && writes_w) {
      onednn::run(*repack_, {}, {{DNNL_ARG_FROM, packed_w}, {DNNL_ARG_TO, plain_w}});
    }
  }

 private:
  void finish(dnnl::primitive compute, const dnnl::memory::desc& packed,
              const dnnl::memory::desc& scratchpad) {
    compute_ = std::move(compute);
    packed_ = packed;
    scratchpad_ = scratchpad;
    if (packed_ == plain_.w) return;
    const bool writes_w = face_ == Face::kWeightGrad;
    repack_ = writes_w ? onednn::make_reorder(packed_, plain_.w)
                       : onednn::make_reorder(plain_.w, packed_);
  }

  Face face_;
  onednn::ConvLayouts plain_;
  dnnl::memory::desc packed_;  // weights as the primitive wants them
  dnnl::memory::desc scratchpad_;
  dnnl::primitive compute_;
  std::optional<dnnl::primitive> repack_;  // none where the layouts agree
};

void run_face(Face face, const ConvShape& shape, int threads, const float* x, const float* w,
              const float* y) {
  constexpr std::size_t kCachedPrimitives = 256;  // ResNet-18 uses 33 per batch size
  static LruCache<ConvKey, ConvPrimitive, ConvKeyHash> cache(kCachedPrimitives);
  cache
      .find_or_make({face, shape, threads},
                    [&] { return std::make_shared<const ConvPrimitive>(face, shape); })
      ->run(x, w, y);
}

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

void weight_grad_in_chunks(const ConvShape& shape, const float* x, const float* gy, float* gw) {
  const std::int64_t size = shape.w_size();
  const std::int64_t chunks = (shape.batch + images_per_chunk(shape) - 1) / images_per_chunk(shape);
  auto* partial = scratch<float>(Scratch::kPartialSums, static_cast<std::size_t>(chunks * size));
  for_each_chunk(shape, x, gy,
                 [&](std::int64_t chunk, const ConvShape& part, const float* xs, const float* gys) {
                   run_face(Face::kWeightGrad, part, 1, xs, partial + chunk * size, gys);
                 });
  parallel_for(size, 4096, [&](std::int64_t begin, std::int64_t end) {
    std::copy(partial + begin, partial + end, gw + begin);
    for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
      const float* addend = partial + chunk * size;
      for (std::int64_t i = begin; i < end; ++i) gw[i] += addend[i];
    }
  });
}

bool empty(const ConvShape& shape) {
  return shape.x_size() == 0 || shape.y_size() == 0 || shape.w_size() == 0;
}

}  // namespace

// ---- entry points

template <>
void conv2d(Cpu& cpu, const ConvShape& shape, const float* x, const float* w, float* y) {
  if (empty(shape)) {
    std::fill_n(y, shape.y_size(), 0.0F);
  } else if (cpu.reproducible) {
    for_each_chunk(shape, x, y,
                   [&](std::int64_t, const ConvShape& part, const float* xs, const float* ys) {
                     run_face(Face::kForward, part, 1, xs, w, ys);
                   });
  } else {
    run_face(Face::kForward, shape, thread_count(), x, w, y);
  }
}

template <>
void conv2d_input_grad(Cpu& cpu, const ConvShape& shape, const float* gy, const float* w,
                       float* gx) {
  if (empty(shape)) {
    std::fill_n(gx, shape.x_size(), 0.0F);
  } else if (cpu.reproducible) {
    for_each_chunk(shape, gx, gy,
                   [&](std::int64_t, const ConvShape& part, const float* gxs, const float* gys) {
                     run_face(Face::kInputGrad, part, 1, gxs, w, gys);
                   });
  } else {
    run_face(Face::kInputGrad, shape, thread_count(), gx, w, gy);
  }
}

template <>
void conv2d_weight_grad(Cpu& cpu, const ConvShape& shape, const float* x, const float* gy,
                        float* gw) {
  if (empty(shape)) {
    std::fill_n(gw, shape.w_size(), 0.0F);
  } else if (cpu.reproducible) {
    weight_grad_in_chunks(shape, x, gy, gw);
  } else {
    run_face(Face::kWeightGrad, shape, thread_count(), x, gw, gy);
  }
}

}  // namespace switchyard::kernels
