#include "kernels/api/matmul.h"

#include "kernels/api/provide.h"
#include "kernels/common/matmul_addend.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/grouped_tiles.h"

namespace switchyard::kernels {
namespace {

/// The definition, one output after the other on one thread.
template <class T>
void plain_loops(Cpu&, const Matmul<T>& p) {
  const MatmulShape& s = p.shape;
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = p.addend != nullptr ? double{p.addend[i * s.n + j]} : 0.0;
      for (std::int64_t d = 0; d < s.k; ++d) {
        const T left = p.a[s.transpose_a ? d * s.m + i : i * s.k + d];
        const T right = p.b[s.transpose_b ? j * s.k + d : d * s.n + j];
        sum += double{left} * double{right};
      }
      p.c[i * s.n + j] = static_cast<T>(sum);
    }
  }
}

/// Tiles of the product on all threads, each by the library: oneDNN for float, Eigen for double.
template <class T>
void library_tiles(Cpu& cpu, const Matmul<T>& p) {
  const MatmulShape& s = p.shape;
  parallel_gemm<T>(s.m, s.n, s.k, {p.a, s.transpose_a ? s.m : s.k, s.transpose_a},
                   {p.b, s.transpose_b ? s.k : s.n, s.transpose_b}, p.c, s.n,
                   addend_in_place(cpu, p));
}

/// The product of one expert that has all rows, out of tiles in the cache: a row's terms are added
/// in the same order whatever else is multiplied.
template <class T>
void cache_tiles(Cpu& cpu, const Matmul<T>& p) {
  const MatmulShape& s = p.shape;
  const std::int64_t offsets[] = {0, s.m};
  grouped_matmul_add_tiles(cpu,
                           GroupedMatmul<T>{.shape = {s.m, 1, s.k, s.n},
                                            .offsets = offsets,
                                            .x = p.a,
                                            .w = p.b,
                                            .transpose_w = s.transpose_b,
                                            .y = p.c},
                           p.addend);
}

template <class T>
bool has_whole_rows(const Matmul<T>& p) {
  return !p.shape.transpose_a;
}
template <class T>
bool asks_for_invariant_bits(const Matmul<T>& p) {
  return p.batch_invariant;
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, Matmul<T>> = std::to_array<Rung<Cpu, Matmul<T>>>(
    {{"matmul_plain_loops", plain_loops<T>},
     {sizeof(T) == 4 ? "matmul_onednn_tiles" : "matmul_eigen_tiles",
      library_tiles<T>,
      {kAnyBits, any_bits<T>}},
     {.name = "matmul_cache_tiles",
      .run = cache_tiles<T>,
      .takes = {"an untransposed left matrix", has_whole_rows<T>},
      .pays = {"batch-invariant bits", asks_for_invariant_bits<T>}}});

template struct Provides<Cpu, Matmul<float>, Matmul<double>>;

}  // namespace switchyard::kernels
