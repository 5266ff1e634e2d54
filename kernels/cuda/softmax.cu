#include "kernels/api/softmax.h"

#include <array>
#include <string_view>

#include "kernels/api/provide.h"
#include "kernels/common/launch.h"
#include "kernels/cuda/rung_name.cuh"
#include "kernels/cuda/softmax_row.cuh"

// Softmax and its relatives work by rows. What happens to one row (softmax_row.cuh) is written for
// a team of threads; the ladder is a choice of team: one thread, one warp, one block.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// The team's part of a rung's name: softmax_forward_warp_per_row.
constexpr std::string_view kThreadPerRow = "_thread_per_row";
constexpr std::string_view kWarpPerRow = "_warp_per_row";
constexpr std::string_view kBlockPerRow = "_block_per_row";

// softmax_thread_per_row
//   1. each thread takes a row and walks along it alone.
// Neighbouring threads read `columns` elements apart: a warp's request touches 32 sectors of 32
// bytes for 128 bytes of numbers once a row is longer than a sector, up to 8 times the traffic of a
// coalesced read. It is best for rows of a few columns, where a larger team would stand idle.
template <class Row>
__global__ void softmax_thread_per_row(Row compute, MatrixExtent m) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row < m.rows) compute(OneThread{}, row, m);
}

// softmax_warp_per_row
//   1. each warp takes a row; lane l the columns l, l + 32, ...: every request is 128 contiguous
//      bytes (float32);
//   2. maximum and sum in one walk, then 5 shuffles put the lanes' parts together;
//   3. the second walk writes; it finds the row in the L1 or L2 cache.
template <class Row>
__global__ void softmax_warp_per_row(Row compute, MatrixExtent m) {
  const std::int64_t row = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (row < m.rows) compute(OneWarp{}, row, m);  // the same for all lanes of a warp
}

// softmax_block_per_row
//   1. a block of 8 warps takes a row, which shortens each thread's walk by 8: for long rows, of
//      which there are too few to fill the GPU with a warp each;
//   2. warps combine by shuffles, their 8 results through shared memory, two barriers.
template <class Row>
__global__ void softmax_block_per_row(Row compute, MatrixExtent m) {
  compute(OneBlock<kThreads>{}, std::int64_t{blockIdx.x}, m);
}

// ---- launchers

template <class Op>
MatrixExtent extent_of(const char* rung, const Op& a) {
  return {a.rows, checked_extent(rung, "columns", a.columns)};
}

template <class Row>
void thread_per_row(KernelExecutor& exec, const typename Row::Kernel& a) {
  constexpr const char* kName = kRungName<typename Row::Kernel, kThreadPerRow>.data();
  launch(exec, kName, softmax_thread_per_row<Row>, Line{{tiles_along(a.rows, kThreads)}, kThreads},
         Row{a}, extent_of(kName, a));
}

template <class Row>
void warp_per_row(KernelExecutor& exec, const typename Row::Kernel& a) {
  constexpr const char* kName = kRungName<typename Row::Kernel, kWarpPerRow>.data();
  launch(exec, kName, softmax_warp_per_row<Row>,
         Line{{tiles_along(a.rows, kThreads / kWarp)}, kThreads}, Row{a}, extent_of(kName, a));
}

template <class Row>
void block_per_row(KernelExecutor& exec, const typename Row::Kernel& a) {
  constexpr const char* kName = kRungName<typename Row::Kernel, kBlockPerRow>.data();
  launch(exec, kName, softmax_block_per_row<Row>, Line{{a.rows}, kThreads}, Row{a},
         extent_of(kName, a));
}

// ---- the ladder

template <std::int64_t kColumns, class Op>
bool more_columns_than(const Op& a) {
  return a.columns > kColumns;
}

/// The team grows with the rows.
template <class Row, class Op = typename Row::Kernel>
constexpr auto kTeams = std::to_array<Rung<KernelExecutor, Op>>(
    {{.name = kRungName<Op, kThreadPerRow>, .run = thread_per_row<Row>},
     {.name = kRungName<Op, kWarpPerRow>,
      .run = warp_per_row<Row>,
      .pays = {"more than 8 columns", more_columns_than<8, Op>}},
     {.name = kRungName<Op, kBlockPerRow>,
      .run = block_per_row<Row>,
      .pays = {"more than 2048 columns", more_columns_than<2048, Op>}}});

}  // namespace

template <class T>
constexpr auto kRungs<KernelExecutor, SoftmaxForward<T>> = kTeams<SoftmaxForwardRow<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, SoftmaxBackward<T>> = kTeams<SoftmaxBackwardRow<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, SoftmaxDoubleBackward<T>> =
    kTeams<SoftmaxDoubleBackwardRow<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, LogSoftmaxForward<T>> = kTeams<LogSoftmaxForwardRow<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, LogSoftmaxBackward<T>> = kTeams<LogSoftmaxBackwardRow<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, CrossEntropyForward<T>> = kTeams<CrossEntropyForwardRow<T>>;
template <class T>
constexpr auto kRungs<KernelExecutor, CrossEntropyBackward<T>> = kTeams<CrossEntropyBackwardRow<T>>;

template struct Provides<KernelExecutor, Softmaxes>;

}  // namespace switchyard::kernels
