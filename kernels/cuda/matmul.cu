#include "kernels/api/matmul.h"

#include "kernels/api/provide.h"
#include "kernels/cuda/matmul_library.h"
#include "kernels/cuda/matmul_swizzled.cuh"
#include "kernels/cuda/matmul_tile.cuh"
#include "kernels/cuda/register_tile.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"

// C [m, n] = op(A) · op(B), row-major; a flag says that the transpose is stored. 2 m n k flops on
// (m k + k n + m n) elements: with every element read once, m n k / (m k + k n + m n) flops a byte
// in float32, far above what memory can feed at. Each rung reads every element less often.
// An addend [m, n] is read where c is written: a product that goes on a sum costs no other launch,
// and 8 bytes an output less than one that is added afterwards (float32).

namespace switchyard::kernels {
namespace {

/// Element (i, j) of op(X), where op(X) is [rows, cols].
template <bool kTransposed, class T>
__device__ __forceinline__ T element(const T* x, int rows, int cols, int i, int j) {
  return kTransposed ? x[std::int64_t{j} * rows + i] : x[std::int64_t{i} * cols + j];
}

// matmul_thread_per_output
//   1. each thread takes one output and walks along its row of A and column of B.
// a [m, k] or [k, m], b [k, n] or [n, k], c [m, n]. Every output reads 2 k elements: 4 bytes a flop
// (float32), of which caches catch what neighbours share. There is one accumulator: each product
// waits for the one before.
constexpr int kOutputThreads = 256;

template <class T, class Sum, bool kTransposeA, bool kTransposeB>
__global__ void matmul_thread_per_output(Product<T, Sum> p) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= std::int64_t{p.m} * p.n) return;
  const auto row = static_cast<int>(i / p.n);
  const auto col = static_cast<int>(i % p.n);
  Sum sum{0};
  for (int d = 0; d < p.k; ++d) {
    sum += static_cast<Sum>(element<kTransposeA>(p.a, p.m, p.k, row, d)) *
           static_cast<Sum>(element<kTransposeB>(p.b, p.k, p.n, d, col));
  }
  p.c[i] = p.addend != nullptr ? p.addend[i] + sum : sum;
}

// matmul_shared_tile
//   1. a block of 32x32 threads owns 32x32 outputs, one a thread;
//   2. for each 32 of depth every thread brings one element of A and one of B into shared memory,
//      neighbouring lanes reading neighbouring addresses whatever is transposed;
//   3. all wait, then each thread does 32 products out of shared memory, then all wait again.
// Every element is read m / 32 or n / 32 times instead of m or n times: 1/8 byte a flop (float32).
// Now shared memory limits, with 2 reads a product. A tile's line is 33 long, so that a transposing
// store meets 32 banks.
constexpr int kSharedTile = 32;

template <class T, bool kTransposeA, bool kTransposeB>
__global__ void __launch_bounds__(kSharedTile* kSharedTile)
    matmul_shared_tile(Product<T, T> p, int tiles_across) {
  __shared__ T tile_a[kSharedTile][kSharedTile + 1];  // [row, depth]
  __shared__ T tile_b[kSharedTile][kSharedTile + 1];  // [depth, col]
  const auto x = static_cast<int>(threadIdx.x);
  const auto y = static_cast<int>(threadIdx.y);
  const auto block = static_cast<int>(blockIdx.x);
  const int first_row = block / tiles_across * kSharedTile;
  const int first_col = block % tiles_across * kSharedTile;
  const int row_a = kTransposeA ? x : y;
  const int depth_a = kTransposeA ? y : x;
  const int depth_b = kTransposeB ? x : y;
  const int col_b = kTransposeB ? y : x;
  T sum{0};
  for (int d = 0; d < p.k; d += kSharedTile) {
    const bool inside_a = first_row + row_a < p.m && d + depth_a < p.k;
    const bool inside_b = first_col + col_b < p.n && d + depth_b < p.k;
    tile_a[row_a][depth_a] =
        inside_a ? element<kTransposeA>(p.a, p.m, p.k, first_row + row_a, d + depth_a) : T{0};
    tile_b[depth_b][col_b] =
        inside_b ? element<kTransposeB>(p.b, p.k, p.n, d + depth_b, first_col + col_b) : T{0};
    __syncthreads();
    for (int i = 0; i < kSharedTile; ++i) sum += tile_a[y][i] * tile_b[i][x];
    __syncthreads();
  }
  if (first_row + y < p.m && first_col + x < p.n) {
    const std::int64_t i = std::int64_t{first_row + y} * p.n + first_col + x;
    p.c[i] = p.addend != nullptr ? p.addend[i] + sum : sum;
  }
}

// matmul_register_tile, matmul_register_tile_wide (128-bit loads), matmul_split_k (parts of k)
//   1. a block owns 64x64 or 128x128 outputs, a thread 8x8 (float64: 8x4) of them in registers
//      (register_tile.cuh);
//   2. for each 8 of depth the block starts loading the next tiles, multiplies the present ones,
//      puts what it loaded into the other copy of the tiles, and waits once;
//   3. block (tile, part) sums over its part of k; with several parts c is [parts, m, n].
// Shared memory is read 1/4 time a product instead of 2, global memory 2 to 4 times less (tiles of
// 128x128: 1/32 byte a flop in float32), and 64 independent sums hide the latency of each.
// Wide loads need a quarter of the instructions, and where a tile keeps its orientation they go to
// shared memory without passing through registers.
//
// matmul_tensor_core
//   1. a warp owns 64x32 (of 128x128) or 32x32 (of 64x64) outputs as fragments
//      (tensor_core_tile.cuh);
//   2. the same double buffering, 64 bytes of depth a step, and the same parts of k;
//   3. each warp multiplies fragments of 16x8 outputs: one instruction does 2048 products (bf16),
//      where a warp's FMA does 32.
// It moves the same bytes as the register tile; the arithmetic is 8 (tf32) to 16 (bf16) times
// faster on compute capability 8.0, twice for float64, so that the banks of shared memory limit:
// what a step of depth writes and reads there caps the bf16 tile at 33-40 % of an H100's rate and
// at 57-80 % of an A100's.
//
// These rungs are matmul_tile (matmul_tile.cuh); matmul_swizzled.cu has those beyond.

// ---- launchers

template <class T>
void thread_per_output(KernelExecutor& exec, const Matmul<T>& a) {
  constexpr const char* kName = "matmul_thread_per_output";
  const auto p = product(kName, a);
  with_transposes(a.shape, [&](auto ta, auto tb) {
    launch(exec, kName,
           matmul_thread_per_output<T, ResultOf<T>, decltype(ta)::value, decltype(tb)::value>,
           Line{{tiles_along(std::int64_t{p.m} * p.n, kOutputThreads)}, kOutputThreads}, p);
  });
}

struct SharedTile {
  static constexpr int kRows = kSharedTile, kCols = kSharedTile;
};
template <class T>
void shared_tile(KernelExecutor& exec, const Matmul<T>& a) {
  constexpr const char* kName = "matmul_shared_tile";
  const auto p = product(kName, a);
  const TileGrid tiles = tile_grid<SharedTile>(kName, p.m, p.n);
  if (tiles.count == 0) return;
  with_transposes(a.shape, [&](auto ta, auto tb) {
    launch(exec, kName, matmul_shared_tile<T, decltype(ta)::value, decltype(tb)::value>,
           LaunchShape{.grid = {tiles.count}, .block = {kSharedTile, kSharedTile}}, p,
           tiles.across);
  });
}

/// Takes wide loads where the operands allow them, with the tile that fills a GPU, and the small
/// tile otherwise.
template <class Tiles, class T>
void launch_best_tile(KernelExecutor& exec, const char* name, const Matmul<T>& a,
                      const Product<T, ResultOf<T>>& p, const Split& split) {
  if (!wide_operands(a)) {
    return launch_tile<typename Tiles::Small, false>(exec, name, a.shape, p, split);
  }
  with_tile<Tiles>(exec.limits, p.m, p.n, split.count, [&](auto tile) {
    launch_tile<typename decltype(tile)::type, true>(exec, name, a.shape, p, split);
  });
}

template <class T>
using FloatTiles = RegisterTiles<T, 128, sizeof(T) == 8 ? 64 : 128>;

template <class T>
void register_tile(KernelExecutor& exec, const Matmul<T>& a) {
  constexpr const char* kName = "matmul_register_tile";
  const auto p = product(kName, a);
  launch_tile<typename FloatTiles<T>::Small, false>(exec, kName, a.shape, p, {1, p.k});
}

template <class T>
void register_tile_wide(KernelExecutor& exec, const Matmul<T>& a) {
  constexpr const char* kName = "matmul_register_tile_wide";
  const auto p = product(kName, a);
  launch_best_tile<FloatTiles<T>>(exec, kName, a, p, {1, p.k});
}

template <class T>
void split_k(KernelExecutor& exec, const Matmul<T>& a) {
  constexpr const char* kName = "matmul_split_k";
  in_parts(exec, kName, a, [&](const auto& p, const Split& split) {
    launch_best_tile<FloatTiles<T>>(exec, kName, a, p, split);
  });
}

template <class Mma>
void tensor_core(KernelExecutor& exec, const Matmul<typename Mma::Operand>& a) {
  constexpr const char* kName = "matmul_tensor_core";
  in_parts(exec, kName, a, [&](const auto& p, const Split& split) {
    launch_best_tile<TensorCoreTiles<Mma>>(exec, kName, a, p, split);
  });
}

}  // namespace

// ---- the ladders

template <class T>
constexpr auto kRungsInTiles = std::to_array<Rung<KernelExecutor, Matmul<T>>>({
    {"matmul_thread_per_output", thread_per_output<T>},
    {"matmul_shared_tile", shared_tile<T>},
    {"matmul_register_tile", register_tile<T>},
    {"matmul_register_tile_wide", register_tile_wide<T>, {kWideNeeds, wide_operands<T>}},
    {"matmul_split_k", split_k<T>},
    tensor_core_rung<Matmul<T>>("matmul_tensor_core", "matmul_tensor_core_tf32",
                                std::is_same_v<T, float>, tensor_core<MmaFor<T>>),
});

/// Serves a GPU's products unless another rung is asked for.
#ifdef __CUDACC__
template <class T>
constexpr std::array<Rung<KernelExecutor, Matmul<T>>, 1> kLibraryRung = {
    {{"matmul_cublas", matmul_cublas<T>, {kCublasNeeds, cublas_takes<T>}}}};
#else
template <class T>
constexpr std::array<Rung<KernelExecutor, Matmul<T>>, 0> kLibraryRung = {};
#endif

template <>
constexpr auto kRungs<KernelExecutor, Matmul<float>> =
    joined(kRungsInTiles<float>, SwizzledMatmul<MmaTf32>::rungs(),
           std::to_array({mma_rung<MmaThreeTf32, Matmul<float>>("matmul_tensor_core_three_tf32",
                                                                tensor_core<MmaThreeTf32>),
                          SwizzledMatmul<MmaThreeTf32>::persistent_rung()}),
           kLibraryRung<float>);

template <>
constexpr auto kRungs<KernelExecutor, Matmul<double>> = joined(kRungsInTiles<double>,
                                                               kLibraryRung<double>);

template <>
constexpr auto kRungs<KernelExecutor, Matmul<BFloat16>> =
    joined(std::to_array<Rung<KernelExecutor, Matmul<BFloat16>>>(
               {{"matmul_thread_per_output", thread_per_output<BFloat16>},
                {"matmul_tensor_core", tensor_core<MmaBf16>}}),
           SwizzledMatmul<MmaBf16>::rungs());

template struct Provides<KernelExecutor, Matmul<float>, Matmul<double>, Matmul<BFloat16>>;

}  // namespace switchyard::kernels
