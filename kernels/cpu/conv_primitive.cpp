#include "kernels/cpu/conv_primitive.h"

#include <memory>
#include <optional>

#include "kernels/common/conv_hash.h"
#include "kernels/cpu/lru_cache.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"

// Tensors are NHWC and OHWI outside. Where a primitive wants another layout, as weights always do,
// they are copied into it and back on every call (docs/design/layout.md has what that costs).

namespace switchyard::kernels {
namespace {

using dnnl::memory;

struct ConvKey {
  ConvFace face;
  ConvShape shape;
  ConvAlgorithm algorithm;
  int threads;
  bool operator==(const ConvKey&) const = default;
};

struct ConvKeyHash {
  std::size_t operator()(const ConvKey& key) const {
    return hash_of(key.face, key.shape, {static_cast<int>(key.algorithm), key.threads});
  }
};

/// A tensor as the engine stores it and as the primitive wants it.
class Operand {
 public:
  Operand() = default;
  Operand(const memory::desc& plain, const memory::desc& packed, bool written, Scratch buffer)
      : plain_(plain), packed_(packed), written_(written), buffer_(buffer) {
    if (packed_ == plain_) return;
    copy_ = written ? onednn::make_reorder(packed_, plain_) : onednn::make_reorder(plain_, packed_);
  }

  /// Returns the memory that the primitive gets for `data`.
  memory prepare(const float* data) const {
    memory plain = onednn::view(plain_, data);
    if (!copy_) return plain;
    memory packed = onednn::view(packed_, scratch(buffer_, packed_.get_size()));
    if (!written_) onednn::run(*copy_, {}, {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, packed}});
    return packed;
  }
  /// Brings a result to `data`.
  void finish(const memory& packed, const float* data) const {
    if (!copy_ || !written_) return;
    onednn::run(*copy_, {}, {{DNNL_ARG_FROM, packed}, {DNNL_ARG_TO, onednn::view(plain_, data)}});
  }

 private:
  memory::desc plain_, packed_;
  bool written_ = false;
  Scratch buffer_ = Scratch::kLibrary;
  std::optional<dnnl::primitive> copy_;  // none where the layouts agree
};

class ConvPrimitive {
 public:
  ConvPrimitive(ConvFace face, const ConvShape& shape, ConvAlgorithm algorithm)
      : face_(face), exists_(make(shape, algorithm)) {}

  bool exists() const { return exists_; }

  void run(const float* x, const float* w, const float* y) const {
    const memory px = x_.prepare(x);
    const memory pw = w_.prepare(w);
    const memory py = y_.prepare(y);
    const int x_name = face_ == ConvFace::kInputGrad ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC;
    const int w_name = face_ == ConvFace::kWeightGrad ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS;
    const int y_name = face_ == ConvFace::kForward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST;
    onednn::run(compute_, scratchpad_, {{x_name, px}, {w_name, pw}, {y_name, py}});
    x_.finish(px, x);
    w_.finish(pw, w);
    y_.finish(py, y);
  }

 private:
  /// False where the library has no Winograd convolution of this shape.
  bool make(const ConvShape& shape, ConvAlgorithm wanted_algorithm) {
    const bool winograd = wanted_algorithm == ConvAlgorithm::kWinograd;
    if (winograd && !onednn::has_winograd()) return false;
    const auto algorithm =
        winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
    const onednn::ConvLayouts plain(shape);
    onednn::ConvLayouts wanted = plain;
    wanted.w = onednn::with_layout(plain.w, memory::format_tag::any);
    if (winograd) {
      wanted.x = onednn::with_layout(plain.x, memory::format_tag::nChw16c);
      wanted.y = onednn::with_layout(plain.y, memory::format_tag::nChw16c);
    }
    if (face_ == ConvFace::kForward) {
      const auto pd = onednn::forward(shape, dnnl::prop_kind::forward_training, algorithm, wanted,
                                      {}, onednn::plain_attributes(), winograd);
      if (!pd) return false;
      compute_ = dnnl::convolution_forward(pd);
      wanted.w = pd.weights_desc();
      scratchpad_ = pd.scratchpad_desc();
    } else if (face_ == ConvFace::kInputGrad) {
      const auto pd = onednn::input_grad(shape, algorithm, wanted, winograd);
      if (!pd) return false;
      compute_ = dnnl::convolution_backward_data(pd);
      wanted.w = pd.weights_desc();
      scratchpad_ = pd.scratchpad_desc();
    } else {
      const auto pd = onednn::weight_grad(shape, algorithm, wanted, winograd);
      if (!pd) return false;
      compute_ = dnnl::convolution_backward_weights(pd);
      wanted.w = pd.diff_weights_desc();
      scratchpad_ = pd.scratchpad_desc();
    }
    x_ = Operand(plain.x, wanted.x, face_ == ConvFace::kInputGrad, Scratch::kPackedX);
    w_ = Operand(plain.w, wanted.w, face_ == ConvFace::kWeightGrad, Scratch::kPackedWeights);
    y_ = Operand(plain.y, wanted.y, face_ == ConvFace::kForward, Scratch::kPackedY);
    return true;
  }

  ConvFace face_;
  Operand x_, w_, y_;
  dnnl::primitive compute_;
  memory::desc scratchpad_;
  bool exists_;  // made last: making fills in the others
};

std::shared_ptr<const ConvPrimitive> primitive(const ConvKey& key) {
  constexpr std::size_t kCachedPrimitives = 256;  // ResNet-18 uses 33 per batch size
  static LruCache<ConvKey, ConvPrimitive, ConvKeyHash> cache(kCachedPrimitives);
  return cache.find_or_make(key, [&] {
    return std::make_shared<const ConvPrimitive>(key.face, key.shape, key.algorithm);
  });
}

}  // namespace

bool onednn_has(ConvFace face, const ConvShape& shape, ConvAlgorithm algorithm) {
  if (algorithm == ConvAlgorithm::kWinograd && !onednn::has_winograd()) return false;
  return onednn::with_errors_of("conv2d", [&] {
    return primitive({face, shape, algorithm, thread_count()})->exists();
  });
}

void run_onednn_convolution(ConvFace face, const ConvShape& shape, ConvAlgorithm algorithm,
                            int threads, const float* x, const float* w, const float* y) {
  onednn::with_errors_of("conv2d", [&] {
    primitive({face, shape, algorithm, threads})->run(x, w, y);
  });
}

}  // namespace switchyard::kernels
