#include "kernels/api/matmul.h"

#include "kernels/api/provide.h"
#include "kernels/cpu/gemm.h"

namespace switchyard::kernels {
namespace {

/// The definition, one output after the other on one thread.
template <class T>
void plain_loops(Cpu&, const Matmul<T>& p) {
  const MatmulShape& s = p.shape;
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = 0.0;
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
void library_tiles(Cpu&, const Matmul<T>& p) {
  const MatmulShape& s = p.shape;
  parallel_gemm<T>(s.m, s.n, s.k, {p.a, s.transpose_a ? s.m : s.k, s.transpose_a},
                   {p.b, s.transpose_b ? s.k : s.n, s.transpose_b}, p.c, s.n);
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, Matmul<T>> = std::to_array<Rung<Cpu, Matmul<T>>>(
    {{"matmul_plain_loops", plain_loops<T>},
     {sizeof(T) == 4 ? "matmul_onednn_tiles" : "matmul_eigen_tiles", library_tiles<T>}});

template struct Provides<Cpu, Matmul<float>, Matmul<double>>;

}  // namespace switchyard::kernels
