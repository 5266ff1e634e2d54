#include "kernels/api/reduction.h"

#include <algorithm>
#include <array>

#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/common/workspace.h"
#include "kernels/cuda/product_rungs.cuh"
#include "kernels/cuda/team.cuh"

// These kernels sum over the middle axis of [outer, reduce, inner]. All of them add in double,
// which keeps sums of millions of float32 exact to their last digit and costs nothing beside the
// memory that they wait for (a multiprocessor of compute capability 8.0 or 9.0 gets about 4 floats
// a clock from memory and adds 16 or more doubles). No atomics: the same bits every run. Every rung
// reads each element once, 4 bytes (float32; bfloat16 2), or 8 for products, and does one addition
// with it; they differ in how much of that runs at the same time and how it is coalesced.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

/// Each source says what is added: the elements of one tensor, or the products of two.
template <class T>
struct Values {
  const T* x;
  __device__ double operator()(std::int64_t i) const { return double{widen(x[i])}; }
};
template <class T>
struct Products {
  const T* a;
  const T* b;
  __device__ double operator()(std::int64_t i) const {
    return double{widen(a[i])} * double{widen(b[i])};
  }
};

struct Layout {
  std::int64_t outer, reduce, inner;
  SWITCHYARD_HOST_DEVICE std::int64_t outputs() const { return outer * inner; }
};

/// Output i, by a team whose threads take every size-th term. Terms lie `inner` elements apart.
template <class Team, class Element, class T>
__device__ __forceinline__ void sum_output(const Team& team, Element element, T* y, Layout layout,
                                           std::int64_t i) {
  const std::int64_t inner = layout.inner;
  const std::int64_t first = i / inner * layout.reduce * inner + i % inner;
  double sum = 0.0;
  SWITCHYARD_UNROLL_BY(4)  // loads in flight
  for (std::int64_t r = team.rank(); r < layout.reduce; r += team.size()) {
    sum += element(first + r * inner);
  }
  sum = team.combine(sum, Plus{});
  if (team.rank() == 0) y[i] = convert_element<T>(sum);
}

// sum_thread_per_output
//   1. each thread takes one output and adds its terms in order.
// y [outer, inner]. Neighbouring threads read neighbouring columns: coalesced if inner is 32 or
// more. With inner = 1 they read `reduce` elements apart, a sector of 32 bytes per element of 4.
// Only outer · inner threads have work.
template <class Element, class T>
__global__ void sum_thread_per_output(Element element, T* __restrict__ y, Layout layout) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < layout.outputs()) sum_output(OneThread{}, element, y, layout, i);
}

// sum_warp_per_output
//   1. the 32 lanes of a warp take turns on the terms of one output;
//   2. 5 shuffles add the lanes' sums.
// Reads are coalesced if inner is 1, 128 bytes a request; there are 32 times the threads.
template <class Element, class T>
__global__ void sum_warp_per_output(Element element, T* __restrict__ y, Layout layout) {
  const std::int64_t i = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (i < layout.outputs()) sum_output(OneWarp{}, element, y, layout, i);  // alike for all lanes
}

// sum_block_per_output
//   1. 8 warps take turns on the terms of one output, each warp adds by shuffles;
//   2. the 8 sums meet in shared memory, two barriers.
// It serves rows too long for a warp, of which there are enough to fill the GPU with a block each.
template <class Element, class T>
__global__ void sum_block_per_output(Element element, T* __restrict__ y, Layout layout) {
  sum_output(OneBlock<kThreads>{}, element, y, layout, std::int64_t{blockIdx.x});
}

/// Says how sum_column_tiles cuts the work: into tiles of `width` columns, a power of two up to 32,
/// and `stretches` of `length` terms. The cut depends on the sizes alone.
struct Tiling {
  int width;
  std::int64_t tiles, stretches, length;
};

// sum_column_tiles
//   1. a block covers `width` neighbouring columns with 256 / width rows of threads: a warp reads
//      32 columns of one row, or, in a narrow matrix, of several whole rows: contiguous either way;
//   2. each thread adds every (256 / width)-th row of the block's stretch;
//   3. the rows of threads are added in shared memory by halves, up to 8 barriers;
//   4. if the terms are cut into stretches, the sums go to parts [stretches, outer, inner] in
//      double, and a second launch adds those as a matrix of [1, stretches, outputs].
// A tall matrix with few columns, or a dot product, fills the GPU: about 1024 blocks whatever the
// shape. It costs 16 · stretches bytes an output more; a stretch reads 512 (float32) or more for
// them.
template <class Element, class T>
__global__ void sum_column_tiles(Element element, T* __restrict__ y, Layout layout, Tiling tiling) {
  __shared__ double sums[kThreads];
  const auto thread = static_cast<int>(threadIdx.x);
  const std::int64_t tile = blockIdx.x % tiling.tiles;
  const std::int64_t o = blockIdx.x / tiling.tiles % layout.outer;
  const std::int64_t stretch = blockIdx.x / tiling.tiles / layout.outer;
  const std::int64_t column = tile * tiling.width + thread % tiling.width;
  const std::int64_t begin = stretch * tiling.length;
  const std::int64_t next = begin + tiling.length;
  const std::int64_t end = next < layout.reduce ? next : layout.reduce;
  double sum = 0.0;
  if (column < layout.inner) {
    const std::int64_t first = o * layout.reduce * layout.inner + column;
    SWITCHYARD_UNROLL_BY(4)  // loads in flight
    for (std::int64_t r = begin + thread / tiling.width; r < end; r += kThreads / tiling.width) {
      sum += element(first + r * layout.inner);
    }
  }
  sums[thread] = sum;
  __syncthreads();
  for (int half = kThreads / 2; half >= tiling.width; half /= 2) {
    if (thread < half) sums[thread] += sums[thread + half];
    __syncthreads();
  }
  if (thread < tiling.width && column < layout.inner) {
    y[(stretch * layout.outer + o) * layout.inner + column] = convert_element<T>(sums[thread]);
  }
}

// ---- launchers

struct ThreadPerOutput {
  static constexpr const char* kName = "sum_thread_per_output";
  template <class Element, class T>
  static void run(KernelExecutor& exec, Element element, T* y, Layout layout) {
    launch(exec, kName, sum_thread_per_output<Element, T>,
           Line{{tiles_along(layout.outputs(), kThreads)}, kThreads}, element, y, layout);
  }
};
struct WarpPerOutput {
  static constexpr const char* kName = "sum_warp_per_output";
  template <class Element, class T>
  static void run(KernelExecutor& exec, Element element, T* y, Layout layout) {
    launch(exec, kName, sum_warp_per_output<Element, T>,
           Line{{tiles_along(layout.outputs(), kThreads / kWarp)}, kThreads}, element, y, layout);
  }
};
struct BlockPerOutput {
  static constexpr const char* kName = "sum_block_per_output";
  template <class Element, class T>
  static void run(KernelExecutor& exec, Element element, T* y, Layout layout) {
    launch(exec, kName, sum_block_per_output<Element, T>,
           Line{{layout.outer, layout.inner}, kThreads}, element, y, layout);
  }
};

/// About 1024 blocks, but at least 16 terms for each thread.
Tiling tiling_of(const Layout& layout) {
  constexpr std::int64_t kBlocksWanted = 1024, kTermsPerThread = 16;
  Tiling tiling{1, 0, 1, layout.reduce};
  while (tiling.width < kWarp && tiling.width < layout.inner) tiling.width *= 2;
  tiling.tiles = tiles_along(layout.inner, tiling.width);
  const std::int64_t shortest = kTermsPerThread * (kThreads / tiling.width);
  const std::int64_t sums = std::max<std::int64_t>(1, layout.outer * tiling.tiles);
  const std::int64_t parts = std::min(layout.reduce / shortest, kBlocksWanted / sums);
  if (parts <= 1) return tiling;
  tiling.length = tiles_along(layout.reduce, parts);
  tiling.stretches = tiles_along(layout.reduce, tiling.length);
  return tiling;
}

struct ColumnTiles {
  static constexpr const char* kName = "sum_column_tiles";
  template <class Element, class T>
  static void launch_tiles(KernelExecutor& exec, Element element, T* y, const Layout& layout,
                           const Tiling& tiling) {
    launch(exec, kName, sum_column_tiles<Element, T>,
           Line{{layout.outer, tiling.tiles, tiling.stretches}, kThreads}, element, y, layout,
           tiling);
  }
  template <class Element, class T>
  static void run(KernelExecutor& exec, Element element, T* y, Layout layout) {
    const Tiling tiling = tiling_of(layout);
    if (tiling.stretches == 1) {
      launch_tiles(exec, element, y, layout, tiling);
      return;
    }
    const Workspace<double> parts(exec, tiling.stretches * layout.outputs());
    launch_tiles(exec, element, parts.data(), layout, tiling);
    const Layout rest{1, tiling.stretches, layout.outputs()};
    Tiling whole = tiling_of(rest);
    whole.stretches = 1;
    whole.length = rest.reduce;
    launch_tiles(exec, Values<double>{parts.data()}, y, rest, whole);
  }
};

template <class Way, class T>
void run_sum(KernelExecutor& exec, const SumMiddle<T>& a) {
  Way::run(exec, Values<T>{a.x}, a.y, Layout{a.outer, a.reduce, a.inner});
}
template <class Way, class T>
void run_sum(KernelExecutor& exec, const SumProducts<T>& a) {
  Way::run(exec, Products<T>{a.a, a.b}, a.y, Layout{a.outer, a.reduce, a.inner});
}

// ---- where the rungs pay

constexpr std::int64_t kFewTerms = 8, kWarpTerms = 1024, kManyOutputs = 65536, kManyRows = 512;
constexpr std::int64_t kLinesInCache = 64;  // terms: what neighbours share stays in L1

/// Returns whether a thread per output pays: there are enough of them and they read whole sectors
/// together, or each has little to do.
template <class Op>
bool suits_lone_threads(const Op& a) {
  const bool shared_sectors = a.inner >= kWarp || (a.inner > 1 && a.reduce <= kLinesInCache);
  return a.reduce <= kFewTerms || (shared_sectors && a.outer * a.inner >= kManyOutputs);
}
template <std::int64_t kTerms, class Op>
bool has_rows_longer_than(const Op& a) {
  return a.inner == 1 && a.reduce > kTerms;
}
template <class Op>
bool needs_cutting(const Op& a) {
  if (a.inner == 1) return a.reduce > kWarpTerms && a.outer < kManyRows;
  return !suits_lone_threads(a);
}

template <class Op>
constexpr auto kWays = std::to_array<Rung<KernelExecutor, Op>>(
    {{.name = ThreadPerOutput::kName, .run = run_sum<ThreadPerOutput>},
     {.name = WarpPerOutput::kName,
      .run = run_sum<WarpPerOutput>,
      .pays = {"rows (inner = 1) of more than 8 terms", has_rows_longer_than<kFewTerms, Op>}},
     {.name = BlockPerOutput::kName,
      .run = run_sum<BlockPerOutput>,
      .pays = {"rows (inner = 1) of more than 1024 terms", has_rows_longer_than<kWarpTerms, Op>}},
     {.name = ColumnTiles::kName,
      .run = run_sum<ColumnTiles>,
      .pays = {"fewer than 512 rows of more than 1024 terms, or columns (inner > 1) of more than 8 "
               "terms unless 65536 outputs are coalesced or short",
               needs_cutting<Op>}}});

}  // namespace

template <class T>
constexpr auto kRungs<KernelExecutor, SumMiddle<T>> = kWays<SumMiddle<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, SumProducts<T>> = kWays<SumProducts<T>>;

template struct Provides<KernelExecutor, Sums>;

}  // namespace switchyard::kernels
