#include "kernels/api/softmax.h"

#include <cmath>
#include <limits>

#include "kernels/cuda/product_launch.cuh"
#include "kernels/cuda/team.cuh"

// Softmax and its relatives by rows. What happens to one row is written once per operation, for a
// team of threads (team.cuh); the ladder is a choice of team: one thread, one warp, one block.

namespace switchyard::kernels {
namespace {

/// What softmax has to know of a row: its maximum and Σ e^(x - maximum). A sum in double costs
/// nothing beside the memory that it waits for and keeps float32 exact over long rows.
template <class T>
struct Exponentials {
  T maximum;
  double sum;

  /// Online (Milakov & Gimelshein 2018): a new maximum scales the sum found so far. A NaN is never
  /// a new maximum but makes the sum NaN; so does +inf, whose x - x is NaN; -inf adds nothing.
  __device__ void add(T x) {
    if (x > maximum) {
      sum = sum * double{std::exp(maximum - x)} + double{T{1} + (x - x)};
      maximum = x;
    } else if (x != -std::numeric_limits<T>::infinity()) {
      sum += double{std::exp(x - maximum)};
    }
  }
};

template <class T>
__device__ __forceinline__ Exponentials<T> empty_exponentials() {
  return {-std::numeric_limits<T>::infinity(), 0.0};
}

/// Two parts of a row together; the same bits whichever comes first.
struct MergeExponentials {
  template <class T>
  __device__ Exponentials<T> operator()(const Exponentials<T>& a, const Exponentials<T>& b) const {
    const Exponentials<T>& high = a.maximum >= b.maximum ? a : b;
    const Exponentials<T>& low = a.maximum >= b.maximum ? b : a;
    // Equal maxima may both be infinite, and their difference NaN.
    const T scale = low.maximum == high.maximum ? T{1} : std::exp(low.maximum - high.maximum);
    return {high.maximum, high.sum + low.sum * double{scale}};
  }
};
template <class T>
__device__ __forceinline__ Exponentials<T> from_lane(const Exponentials<T>& value, int distance) {
  return {__shfl_xor_sync(kFullWarp, value.maximum, distance),
          __shfl_xor_sync(kFullWarp, value.sum, distance)};
}

/// In one walk of the row: each thread its columns, then the team puts the parts together.
template <class Team, class T>
__device__ __forceinline__ Exponentials<T> exponentials(const Team& team, const T* x, int columns) {
  Exponentials<T> mine = empty_exponentials<T>();
  for (int j = team.rank(); j < columns; j += team.size()) mine.add(x[j]);
  return team.combine(mine, MergeExponentials{});
}

/// The textbook's way, in two walks: first the maximum, then the sum.
template <class T>
__device__ __forceinline__ Exponentials<T> exponentials(const OneThread&, const T* x, int columns) {
  Exponentials<T> row = empty_exponentials<T>();
  for (int j = 0; j < columns; ++j) row.maximum = x[j] > row.maximum ? x[j] : row.maximum;
  for (int j = 0; j < columns; ++j) row.sum += double{std::exp(x[j] - row.maximum)};
  return row;
}

// ---- one row of each operation; all matrices [rows, columns]

#define SWITCHYARD_TEAM_NAMES(operation)                                  \
  static constexpr const char* kThreadName = operation "_thread_per_row"; \
  static constexpr const char* kWarpName = operation "_warp_per_row";     \
  static constexpr const char* kBlockName = operation "_block_per_row"

/// Reads a row twice (a thread alone: three times) and writes it once: 12 bytes an element
/// (float32) of which 8 reach memory where the row stays in the caches.
template <class T>
struct SoftmaxForward {
  SWITCHYARD_TEAM_NAMES("softmax_forward");
  const T* x;
  T* y;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, int columns) const {
    const T* const in = x + row * columns;
    T* const out = y + row * columns;
    const Exponentials<T> e = exponentials(team, in, columns);
    const auto scale = static_cast<T>(1.0 / e.sum);
    for (int j = team.rank(); j < columns; j += team.size()) {
      out[j] = std::exp(in[j] - e.maximum) * scale;
    }
  }
};

/// The same reads and writes.
template <class T>
struct LogSoftmaxForward {
  SWITCHYARD_TEAM_NAMES("log_softmax_forward");
  const T* x;
  T* y;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, int columns) const {
    const T* const in = x + row * columns;
    T* const out = y + row * columns;
    const Exponentials<T> e = exponentials(team, in, columns);
    const auto log_sum = static_cast<T>(std::log(e.sum));
    for (int j = team.rank(); j < columns; j += team.size()) {
      out[j] = (in[j] - e.maximum) - log_sum;
    }
  }
};

/// Reads two rows twice and writes one: 12 bytes an element (float32) if the caches keep the rows.
template <class T>
struct SoftmaxBackward {
  SWITCHYARD_TEAM_NAMES("softmax_backward");
  const T* gy;
  const T* y;
  T* gx;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, int columns) const {
    const std::int64_t at = row * columns;
    double part = 0.0;
    for (int j = team.rank(); j < columns; j += team.size()) {
      part += double{gy[at + j]} * double{y[at + j]};
    }
    const auto mean = static_cast<T>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < columns; j += team.size()) {
      gx[at + j] = y[at + j] * (gy[at + j] - mean);
    }
  }
};

/// Reads gy twice and y once, writes gx: 12 bytes an element (float32) as above.
template <class T>
struct LogSoftmaxBackward {
  SWITCHYARD_TEAM_NAMES("log_softmax_backward");
  const T* gy;
  const T* y;
  T* gx;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, int columns) const {
    const std::int64_t at = row * columns;
    double part = 0.0;
    for (int j = team.rank(); j < columns; j += team.size()) part += double{gy[at + j]};
    const auto sum = static_cast<T>(team.combine(part, Plus{}));
    for (int j = team.rank(); j < columns; j += team.size()) {
      gx[at + j] = gy[at + j] - std::exp(y[at + j]) * sum;
    }
  }
};

/// Reads a row once, 4 bytes an element (float32), and its label; writes one number. The
/// probabilities are never stored.
template <class T>
struct CrossEntropyForward {
  SWITCHYARD_TEAM_NAMES("cross_entropy_forward");
  const T* x;
  const std::int64_t* labels;  // [rows]
  T* losses;                   // [rows]
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, int columns) const {
    const T* const in = x + row * columns;
    const Exponentials<T> e = exponentials(team, in, columns);
    if (team.rank() == 0) {
      losses[row] = static_cast<T>(std::log(e.sum) - double{in[labels[row]] - e.maximum});
    }
  }
};

/// Reads p and writes gx, 8 bytes an element (float32); nothing to combine.
template <class T>
struct CrossEntropyBackward {
  SWITCHYARD_TEAM_NAMES("cross_entropy_backward");
  const T* g;  // [1]
  const T* p;
  const std::int64_t* labels;  // [rows]
  T* gx;
  T rows;
  template <class Team>
  __device__ void operator()(const Team& team, std::int64_t row, int columns) const {
    const std::int64_t at = row * columns;
    const T scale = *g / rows;
    const std::int64_t label = labels[row];
    for (int j = team.rank(); j < columns; j += team.size()) {
      gx[at + j] = scale * (p[at + j] - (j == label ? T{1} : T{0}));
    }
  }
};

// ---- the ladder

constexpr int kThreads = 256;

// softmax_thread_per_row
//   1. each thread takes a row and walks along it alone.
// Neighbouring threads read `columns` elements apart: a warp's request touches 32 sectors of 32
// bytes for 128 bytes of numbers once a row is longer than a sector, up to 8 times the traffic of
// a coalesced read. Best for rows of a few columns, where a larger team would stand idle.
template <class Row>
__global__ void softmax_thread_per_row(Row compute, std::int64_t rows, int columns) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row < rows) compute(OneThread{}, row, columns);
}

// softmax_warp_per_row
//   1. each warp takes a row; lane l the columns l, l + 32, ...: every request is 128 contiguous
//      bytes (float32);
//   2. maximum and sum in one walk, then 5 shuffles put the lanes' parts together;
//   3. the second walk writes; it finds the row in the L1 or L2 cache.
template <class Row>
__global__ void softmax_warp_per_row(Row compute, std::int64_t rows, int columns) {
  const std::int64_t row = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (row < rows) compute(OneWarp{}, row, columns);  // the same for all lanes of a warp
}

// softmax_block_per_row
//   1. a block of 8 warps takes a row, which shortens each thread's walk by 8: for long rows, of
//      which there are too few to fill the GPU with a warp each;
//   2. warps combine by shuffles, their 8 results through shared memory, two barriers.
template <class Row>
__global__ void softmax_block_per_row(Row compute, int columns) {
  compute(OneBlock<kThreads>{}, std::int64_t{blockIdx.x}, columns);
}

// ---- launchers

/// How many columns a team's rows should have at most.
constexpr std::int64_t kThreadColumns = 8;
constexpr std::int64_t kWarpColumns = 2048;

struct ThreadPerRow {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    launch_blocks(exec, Row::kThreadName, softmax_thread_per_row<Row>,
                  {tiles_along(rows, kThreads)}, kThreads, row, rows,
                  checked_extent(Row::kThreadName, "columns", columns));
  }
};
struct WarpPerRow {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    launch_blocks(exec, Row::kWarpName, softmax_warp_per_row<Row>,
                  {tiles_along(rows, kThreads / kWarp)}, kThreads, row, rows,
                  checked_extent(Row::kWarpName, "columns", columns));
  }
};
struct BlockPerRow {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    launch_blocks(exec, Row::kBlockName, softmax_block_per_row<Row>, {rows}, kThreads, row,
                  checked_extent(Row::kBlockName, "columns", columns));
  }
};
struct BestTeam {
  template <class Exec, class Row>
  static void run(Exec& exec, const Row& row, std::int64_t rows, std::int64_t columns) {
    const auto launcher = columns <= kThreadColumns ? ThreadPerRow::run<Exec, Row>
                          : columns <= kWarpColumns ? WarpPerRow::run<Exec, Row>
                                                    : BlockPerRow::run<Exec, Row>;
    launcher(exec, row, rows, columns);
  }
};

template <class Team, class Exec, class T>
void run_softmax_forward(Exec& exec, const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  Team::run(exec, SoftmaxForward<T>{x, y}, rows, columns);
}
template <class Team, class Exec, class T>
void run_softmax_backward(Exec& exec, const T* gy, const T* y, T* gx, std::int64_t rows,
                          std::int64_t columns) {
  Team::run(exec, SoftmaxBackward<T>{gy, y, gx}, rows, columns);
}
template <class Team, class Exec, class T>
void run_log_softmax_forward(Exec& exec, const T* x, T* y, std::int64_t rows,
                             std::int64_t columns) {
  Team::run(exec, LogSoftmaxForward<T>{x, y}, rows, columns);
}
template <class Team, class Exec, class T>
void run_log_softmax_backward(Exec& exec, const T* gy, const T* y, T* gx, std::int64_t rows,
                              std::int64_t columns) {
  Team::run(exec, LogSoftmaxBackward<T>{gy, y, gx}, rows, columns);
}
template <class Team, class Exec, class T>
void run_cross_entropy_forward(Exec& exec, const T* x, const std::int64_t* labels, T* losses,
                               std::int64_t rows, std::int64_t columns) {
  Team::run(exec, CrossEntropyForward<T>{x, labels, losses}, rows, columns);
}
template <class Team, class Exec, class T>
void run_cross_entropy_backward(Exec& exec, const T* g, const T* p, const std::int64_t* labels,
                                T* gx, std::int64_t rows, std::int64_t columns) {
  Team::run(exec, CrossEntropyBackward<T>{g, p, labels, gx, static_cast<T>(rows)}, rows, columns);
}

}  // namespace

#define SWITCHYARD_SOFTMAX_LADDER(operation, Row, Function)                \
  template <class Exec, class T>                                           \
  Ladder<Function<Exec, T>> operation##_ladder() {                         \
    static constexpr Variant<Function<Exec, T>> kLadder[] = {              \
        {Row<T>::kThreadName, "", run_##operation<ThreadPerRow, Exec, T>}, \
        {Row<T>::kWarpName, "", run_##operation<WarpPerRow, Exec, T>},     \
        {Row<T>::kBlockName, "", run_##operation<BlockPerRow, Exec, T>}};  \
    return kLadder;                                                        \
  }
SWITCHYARD_SOFTMAX_LADDER(softmax_forward, SoftmaxForward, SoftmaxMapFunction)
SWITCHYARD_SOFTMAX_LADDER(softmax_backward, SoftmaxBackward, SoftmaxGradientFunction)
SWITCHYARD_SOFTMAX_LADDER(log_softmax_forward, LogSoftmaxForward, SoftmaxMapFunction)
SWITCHYARD_SOFTMAX_LADDER(log_softmax_backward, LogSoftmaxBackward, SoftmaxGradientFunction)
SWITCHYARD_SOFTMAX_LADDER(cross_entropy_forward, CrossEntropyForward, CrossEntropyFunction)
SWITCHYARD_SOFTMAX_LADDER(cross_entropy_backward, CrossEntropyBackward,
                          CrossEntropyGradientFunction)

template <class Exec, class T>
void softmax_forward(Exec& exec, const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  run_softmax_forward<BestTeam>(exec, x, y, rows, columns);
}

template <class Exec, class T>
void softmax_backward(Exec& exec, const T* gy, const T* y, T* gx, std::int64_t rows,
                      std::int64_t columns) {
  run_softmax_backward<BestTeam>(exec, gy, y, gx, rows, columns);
}

template <class Exec, class T>
void log_softmax_forward(Exec& exec, const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  run_log_softmax_forward<BestTeam>(exec, x, y, rows, columns);
}

template <class Exec, class T>
void log_softmax_backward(Exec& exec, const T* gy, const T* y, T* gx, std::int64_t rows,
                          std::int64_t columns) {
  run_log_softmax_backward<BestTeam>(exec, gy, y, gx, rows, columns);
}

template <class Exec, class T>
void cross_entropy_forward(Exec& exec, const T* x, const std::int64_t* labels, T* losses,
                           std::int64_t rows, std::int64_t columns) {
  run_cross_entropy_forward<BestTeam>(exec, x, labels, losses, rows, columns);
}

template <class Exec, class T>
void cross_entropy_backward(Exec& exec, const T* g, const T* p, const std::int64_t* labels, T* gx,
                            std::int64_t rows, std::int64_t columns) {
  run_cross_entropy_backward<BestTeam>(exec, g, p, labels, gx, rows, columns);
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
