#include <array>

#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/launch.h"
#include "kernels/common/widen.h"
#include "kernels/cuda/block_scan.cuh"

// The two steps of a loop over experts with masks that sorted routing does not have: each expert
// looks through all assignments for its own, and adds its rows to the tokens' sums.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

// select_assignments_one_block
//   1. a block walks along indices [assignments], 256 at a time: each thread compares one;
//   2. a prefix sum over the block says how many before it match, hence where it writes.
// It reads 8 bytes per assignment for every expert: E · T · k · 8 bytes for all of them, where one
// counting pass reads T · k · 8.
__global__ void __launch_bounds__(kThreads)
    select_assignments_one_block(const std::int64_t* indices, int assignments, int expert,
                                 std::int64_t* positions, std::int64_t* count) {
  int found = 0;
  for (int first = 0; first < assignments; first += kThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    const bool mine = i < assignments && indices[i] == expert;
    const auto scan = block_scan<kThreads>(mine ? 1 : 0);
    if (mine) positions[found + scan.before] = i;
    found += scan.total;
  }
  if (threadIdx.x == 0) *count = found;
}

/// AddRows with a width of 32 bits.
template <class T>
struct Rows {
  const std::int64_t* positions;  // [slots]
  const T* x;                     // [slots, width]
  const ResultOf<T>* weights;     // [tokens, k] or null
  T* y;                           // [tokens, width]
  std::int64_t slots, k;
  int width;
};

// add_rows_thread_per_element
//   1. each thread takes an element of x [slots, width] whose slot is the first of its token, adds
//      it and those of the token's other slots, which follow, to the one of y that they belong to.
// No thread waits for another. It moves 12 bytes an element (float32): y is read and written once
// for every expert of a token.
template <class T>
__global__ void add_rows_thread_per_element(Rows<T> p) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= p.slots * p.width) return;
  std::int64_t slot = i / p.width;
  const std::int64_t token = p.positions[slot] / p.k;
  if (slot > 0 && p.positions[slot - 1] / p.k == token) return;
  T& y = p.y[token * p.width + i % p.width];
  ResultOf<T> sum = widen(y);
  for (; slot < p.slots && p.positions[slot] / p.k == token; ++slot) {
    const ResultOf<T> weight = p.weights == nullptr ? ResultOf<T>{1} : p.weights[p.positions[slot]];
    sum += weight * widen(p.x[slot * p.width + i % p.width]);
  }
  y = convert_element<T>(sum);
}

// ---- launchers

void one_block(KernelExecutor& exec, const SelectAssignments& a) {
  constexpr const char* kName = "select_assignments_one_block";
  launch(exec, kName, select_assignments_one_block, Line{{1}, kThreads}, a.indices,
         checked_extent(kName, "assignments", a.assignments),
         checked_extent(kName, "expert", a.expert), a.positions, a.count);
}

template <class T>
void thread_per_element(KernelExecutor& exec, const AddRows<T>& a) {
  constexpr const char* kName = "add_rows_thread_per_element";
  launch(exec, kName, add_rows_thread_per_element<T>,
         Line{{tiles_along(a.shape.slots * a.shape.width, kThreads)}, kThreads},
         Rows<T>{a.positions, a.x, a.weights, a.y, a.shape.slots, a.shape.k,
                 checked_extent(kName, "width", a.shape.width)});
}

}  // namespace

// ---- the ladders

template <>
constexpr auto kRungs<KernelExecutor, SelectAssignments> =
    std::to_array<Rung<KernelExecutor, SelectAssignments>>({{"select_assignments_one_block",
                                                             one_block}});

template <class T>
constexpr auto kRungs<KernelExecutor, AddRows<T>> = std::to_array<Rung<KernelExecutor, AddRows<T>>>(
    {{"add_rows_thread_per_element", thread_per_element<T>}});

template struct Provides<KernelExecutor, SelectAssignments, AddRows<float>, AddRows<double>,
                         AddRows<BFloat16>>;

}  // namespace switchyard::kernels
