#include "kernels/api/finite.h"

#include <algorithm>
#include <limits>

#include "kernels/api/provide.h"
#include "kernels/common/wide.h"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/product_rungs.cuh"

// Finds out whether the elements of many tensors are finite: every element is read once, 4 bytes
// (float32), and nothing is written where all is well. A network has dozens of gradients, most of
// them some hundred elements: what a rung can save is launches.

namespace switchyard::kernels {
namespace {

constexpr int kThreads = 256;

template <class T>
__device__ __forceinline__ bool is_finite(T x) {
  constexpr T kLargest = std::numeric_limits<T>::max();
  return x >= -kLargest && x <= kLargest;  // NaN is neither
}

// nonfinite_launch_per_tensor
//   1. a launch per tensor; each thread reads one element and reports the tensor if it must.
template <class T>
__global__ void nonfinite_thread_per_element(FiniteTensor<T> tensor, FaultReport fault,
                                             std::int64_t number) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < tensor.count && !is_finite(tensor.x[i])) report(fault, number);
}

/// So many tensors fit into the 4 KiB of a kernel's arguments.
constexpr int kMostTensors = 200;
/// Elements of one tensor that a block takes, whole 16-byte groups.
constexpr std::int64_t kChunk = 16 * kThreads;

/// The tensors of one launch. Tensor i owns the blocks [first_block[i], first_block[i+1]) and has
/// the number first + i.
template <class T>
struct FiniteList {
  FiniteTensor<T> tensor[kMostTensors];
  unsigned first_block[kMostTensors + 1];
  int count;
  std::int64_t first;
};
static_assert(sizeof(FiniteList<double>) + sizeof(FaultReport) <= 4096);

/// The tensor that owns a block, by binary search: the same steps for all threads.
template <class T>
__device__ __forceinline__ int tensor_of(const FiniteList<T>& list, unsigned block) {
  int low = 0;
  int high = list.count;  // first_block[low] <= block < first_block[high]
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (list.first_block[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// nonfinite_one_launch
//   1. the list of pointers travels in the kernel's arguments, as sgd_many_one_launch's;
//   2. every block finds its tensor and the chunk of 4096 elements in it;
//   3. its threads read the chunk, 16 bytes at a time where the tensor is aligned;
//   4. a thread that has met NaN or infinity reports the tensor's number.
// It reads the same bytes in one launch for 200 tensors. The atomics run only where something is
// wrong.
template <class T>
__global__ void nonfinite_one_launch(FiniteList<T> list, FaultReport fault) {
  const int mine = tensor_of(list, blockIdx.x);
  const FiniteTensor<T>& tensor = list.tensor[mine];
  const std::int64_t begin = std::int64_t{blockIdx.x - list.first_block[mine]} * kChunk;
  const std::int64_t end = begin + kChunk < tensor.count ? begin + kChunk : tensor.count;
  constexpr int kCount = Wide<T>::kCount;
  bool finite = true;
  std::int64_t i = begin + static_cast<std::int64_t>(threadIdx.x) * kCount;
  const bool wide = is_wide_aligned(tensor.x);
  for (; i < end; i += kThreads * kCount) {
    if (wide && i + kCount <= end) {
      const Wide<T> pack = load128(tensor.x + i);
      SWITCHYARD_UNROLL
      for (int j = 0; j < kCount; ++j) finite = finite && is_finite(pack.value[j]);
    } else {
      for (std::int64_t j = i; j < i + kCount && j < end; ++j) {
        finite = finite && is_finite(tensor.x[j]);
      }
    }
  }
  if (!finite) report(fault, list.first + mine);
}

// ---- launchers

template <class T>
void run_launch_per_tensor(KernelExecutor& exec, const FindNonfinite<T>& a) {
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    launch(exec, "nonfinite_launch_per_tensor", nonfinite_thread_per_element<T>,
           Line{{tiles_along(a.tensors[i].count, kThreads)}, kThreads}, a.tensors[i], a.fault,
           static_cast<std::int64_t>(i));
  }
}

template <class T>
void run_one_launch(KernelExecutor& exec, const FindNonfinite<T>& a) {
  constexpr const char* kName = "nonfinite_one_launch";
  std::size_t done = 0;
  while (done < a.tensors.size()) {
    const auto part = a.tensors.subspan(
        done, std::min<std::size_t>(a.tensors.size() - done, std::size_t{kMostTensors}));
    FiniteList<T> list{};
    list.first = static_cast<std::int64_t>(done);
    list.count = static_cast<int>(part.size());
    std::int64_t blocks = 0;
    for (std::size_t i = 0; i < part.size(); ++i) {
      list.tensor[i] = part[i];
      list.first_block[i] = static_cast<unsigned>(checked_extent(kName, "blocks", blocks));
      blocks += tiles_along(part[i].count, kChunk);
    }
    launch(exec, kName, nonfinite_one_launch<T>, Line{{blocks}, kThreads}, list, a.fault);
    done += part.size();
  }
}

}  // namespace

template <class T>
constexpr auto kRungs<KernelExecutor, FindNonfinite<T>> =
    std::to_array<Rung<KernelExecutor, FindNonfinite<T>>>(
        {{.name = "nonfinite_launch_per_tensor", .run = run_launch_per_tensor<T>},
         {.name = "nonfinite_one_launch", .run = run_one_launch<T>}});

template struct Provides<KernelExecutor, FindNonfinite<float>, FindNonfinite<double>>;

}  // namespace switchyard::kernels
