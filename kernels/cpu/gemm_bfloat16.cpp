#include <memory>

#include "kernels/common/hash.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/lru_cache.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

using dnnl::memory;

struct ProductKey {
  std::int64_t m, n, k, a_stride, b_stride, c_stride;
  bool transpose_a, transpose_b, accumulate;
  bool operator==(const ProductKey&) const = default;
};

struct ProductKeyHash {
  std::size_t operator()(const ProductKey& key) const {
    Hash hash;
    for (const std::int64_t part : {key.m, key.n, key.k, key.a_stride, key.b_stride, key.c_stride,
                                    std::int64_t{key.transpose_a}, std::int64_t{key.transpose_b},
                                    std::int64_t{key.accumulate}}) {
      hash.mix(part);
    }
    return hash.value();
  }
};

memory::desc matrix(std::int64_t rows, std::int64_t cols, std::int64_t stride, bool transposed,
                    memory::data_type type) {
  return {{rows, cols}, type, transposed ? memory::dims{1, stride} : memory::dims{stride, 1}};
}

/// oneDNN's product of one shape.
class Product {
 public:
  explicit Product(const ProductKey& key)
      : a_(matrix(key.m, key.k, key.a_stride, key.transpose_a, memory::data_type::bf16)),
        b_(matrix(key.k, key.n, key.b_stride, key.transpose_b, memory::data_type::bf16)),
        c_(matrix(key.m, key.n, key.c_stride, false, memory::data_type::f32)) {
    const onednn::Product description = onednn::product(a_, b_, c_, key.accumulate);
    scratchpad_ = description.scratchpad_desc();
    compute_ = dnnl::matmul(description);
  }

  void run(const BFloat16* a, const BFloat16* b, const float* c) const {
    onednn::run(compute_, scratchpad_,
                {{DNNL_ARG_SRC, onednn::view(a_, a)},
                 {DNNL_ARG_WEIGHTS, onednn::view(b_, b)},
                 {DNNL_ARG_DST, onednn::view(c_, c)}});
  }

 private:
  memory::desc a_, b_, c_, scratchpad_;
  dnnl::primitive compute_;
};

/// The tiles of products of a few hundred shapes: an expert's last tile may have any row count.
constexpr std::size_t kKeptProducts = 2048;

}  // namespace

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, MatrixView<BFloat16> a,
          MatrixView<BFloat16> b, float* c, std::int64_t c_stride, bool accumulate) {
  static LruCache<ProductKey, Product, ProductKeyHash> products(kKeptProducts);
  const SingleThread scope;
  onednn::with_errors_of("matmul", [&] {
    const ProductKey key = {
        m, n, k, a.stride, b.stride, c_stride, a.transposed, b.transposed, accumulate};
    products.find_or_make(key, [&key] { return std::make_shared<Product>(key); })
        ->run(a.data, b.data, c);
  });
}

bool has_bfloat16_units() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx512bf16") != 0;
  return has;
#else
  return false;
#endif
}

}  // namespace switchyard::kernels
