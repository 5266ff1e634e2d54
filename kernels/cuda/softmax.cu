#include "kernels/api/softmax.h"

#include <tuple>
#include <utility>

#include "kernels/cuda/product_launch.cuh"
#include "kernels/cuda/softmax_row.cuh"

// Softmax and its relatives by rows. What happens to one row (softmax_row.cuh) is written for a
// team of threads; the ladder is a choice of team: one thread, one warp, one block.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// softmax_thread_per_row
//   1. each thread takes a row and walks along it alone.
// Neighbouring threads read `columns` elements apart: a warp's request touches 32 sectors of 32
// bytes for 128 bytes of numbers once a row is longer than a sector, up to 8 times the traffic of
// a coalesced read. Best for rows of a few columns, where a larger team would stand idle.
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

struct ThreadPerRow {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    launch_blocks(exec, Row::kThreadName, softmax_thread_per_row<Row>,
                  {tiles_along(rows, kThreads)}, kThreads, row,
                  MatrixExtent{rows, checked_extent(Row::kThreadName, "columns", columns)});
  }
};
struct WarpPerRow {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    launch_blocks(exec, Row::kWarpName, softmax_warp_per_row<Row>,
                  {tiles_along(rows, kThreads / kWarp)}, kThreads, row,
                  MatrixExtent{rows, checked_extent(Row::kWarpName, "columns", columns)});
  }
};
struct BlockPerRow {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    launch_blocks(exec, Row::kBlockName, softmax_block_per_row<Row>, {rows}, kThreads, row,
                  MatrixExtent{rows, checked_extent(Row::kBlockName, "columns", columns)});
  }
};
/// The smallest team that the length of the rows allows.
struct BestTeam {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kThreadColumns = 8, kWarpColumns = 2048;  // at most
    const auto launcher = columns <= kThreadColumns ? ThreadPerRow::run<Exec, Row>
                          : columns <= kWarpColumns ? WarpPerRow::run<Exec, Row>
                                                    : BlockPerRow::run<Exec, Row>;
    launcher(exec, row, rows, columns);
  }
};

template <class Row, class Arguments, std::size_t... i>
Row row_of(const Arguments& arguments, std::index_sequence<i...>) {
  return Row{std::get<i>(arguments)...};
}

/// From an entry point's arguments: Row's fields in order, then rows and columns.
template <class Team, class Row, class Exec, class... Arguments>
void run_rows(Exec& exec, Arguments... arguments) {
  constexpr std::size_t kFields = sizeof...(arguments) - 2;
  const std::tuple all(arguments...);
  Team::run(exec, row_of<Row>(all, std::make_index_sequence<kFields>{}), std::get<kFields>(all),
            std::get<kFields + 1>(all));
}

template <class Row, class Function>
Ladder<Function> ladder_of() {
  static constexpr Variant<Function> kLadder[] = {
      {Row::kThreadName, "", run_rows<ThreadPerRow, Row>},
      {Row::kWarpName, "", run_rows<WarpPerRow, Row>},
      {Row::kBlockName, "", run_rows<BlockPerRow, Row>}};
  return kLadder;
}

}  // namespace

template <class Exec, class T>
Ladder<SoftmaxMapFunction<Exec, T>> softmax_forward_ladder() {
  return ladder_of<SoftmaxForward<T>, SoftmaxMapFunction<Exec, T>>();
}
template <class Exec, class T>
void softmax_forward(Exec& exec, const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  run_rows<BestTeam, SoftmaxForward<T>>(exec, x, y, rows, columns);
}

template <class Exec, class T>
Ladder<SoftmaxGradientFunction<Exec, T>> softmax_backward_ladder() {
  return ladder_of<SoftmaxBackward<T>, SoftmaxGradientFunction<Exec, T>>();
}
template <class Exec, class T>
void softmax_backward(Exec& exec, const T* gy, const T* y, T* gx, std::int64_t rows,
                      std::int64_t columns) {
  run_rows<BestTeam, SoftmaxBackward<T>>(exec, gy, y, gx, rows, columns);
}

template <class Exec, class T>
Ladder<SoftmaxMapFunction<Exec, T>> log_softmax_forward_ladder() {
  return ladder_of<LogSoftmaxForward<T>, SoftmaxMapFunction<Exec, T>>();
}
template <class Exec, class T>
void log_softmax_forward(Exec& exec, const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  run_rows<BestTeam, LogSoftmaxForward<T>>(exec, x, y, rows, columns);
}

template <class Exec, class T>
Ladder<SoftmaxGradientFunction<Exec, T>> log_softmax_backward_ladder() {
  return ladder_of<LogSoftmaxBackward<T>, SoftmaxGradientFunction<Exec, T>>();
}
template <class Exec, class T>
void log_softmax_backward(Exec& exec, const T* gy, const T* y, T* gx, std::int64_t rows,
                          std::int64_t columns) {
  run_rows<BestTeam, LogSoftmaxBackward<T>>(exec, gy, y, gx, rows, columns);
}

template <class Exec, class T>
Ladder<CrossEntropyFunction<Exec, T>> cross_entropy_forward_ladder() {
  return ladder_of<CrossEntropyForward<T>, CrossEntropyFunction<Exec, T>>();
}
template <class Exec, class T>
void cross_entropy_forward(Exec& exec, const T* x, const std::int64_t* labels, T* losses,
                           std::int64_t rows, std::int64_t columns) {
  run_rows<BestTeam, CrossEntropyForward<T>>(exec, x, labels, losses, rows, columns);
}

template <class Exec, class T>
Ladder<CrossEntropyGradientFunction<Exec, T>> cross_entropy_backward_ladder() {
  return ladder_of<CrossEntropyBackward<T>, CrossEntropyGradientFunction<Exec, T>>();
}
template <class Exec, class T>
void cross_entropy_backward(Exec& exec, const T* g, const T* p, const std::int64_t* labels, T* gx,
                            std::int64_t rows, std::int64_t columns) {
  run_rows<BestTeam, CrossEntropyBackward<T>>(exec, g, p, labels, gx, rows, columns);
}

#define SWITCHYARD_INSTANTIATE_SOFTMAX(T)                                                        \
  template Ladder<SoftmaxMapFunction<KernelExecutor, T>>                                         \
  softmax_forward_ladder<KernelExecutor, T>();                                                   \
  template Ladder<SoftmaxGradientFunction<KernelExecutor, T>>                                    \
  softmax_backward_ladder<KernelExecutor, T>();                                                  \
  template Ladder<SoftmaxMapFunction<KernelExecutor, T>>                                         \
  log_softmax_forward_ladder<KernelExecutor, T>();                                               \
  template Ladder<SoftmaxGradientFunction<KernelExecutor, T>>                                    \
  log_softmax_backward_ladder<KernelExecutor, T>();                                              \
  template Ladder<CrossEntropyFunction<KernelExecutor, T>>                                       \
  cross_entropy_forward_ladder<KernelExecutor, T>();                                             \
  template Ladder<CrossEntropyGradientFunction<KernelExecutor, T>>                               \
  cross_entropy_backward_ladder<KernelExecutor, T>();                                            \
  template void softmax_forward(KernelExecutor&, const T*, T*, std::int64_t, std::int64_t);      \
  template void softmax_backward(KernelExecutor&, const T*, const T*, T*, std::int64_t,          \
                                 std::int64_t);                                                  \
  template void log_softmax_forward(KernelExecutor&, const T*, T*, std::int64_t, std::int64_t);  \
  template void log_softmax_backward(KernelExecutor&, const T*, const T*, T*, std::int64_t,      \
                                     std::int64_t);                                              \
  template void cross_entropy_forward(KernelExecutor&, const T*, const std::int64_t*, T*,        \
                                      std::int64_t, std::int64_t);                               \
  template void cross_entropy_backward(KernelExecutor&, const T*, const T*, const std::int64_t*, \
                                       T*, std::int64_t, std::int64_t);
SWITCHYARD_INSTANTIATE_SOFTMAX(float)
SWITCHYARD_INSTANTIATE_SOFTMAX(double)

}  // namespace switchyard::kernels
