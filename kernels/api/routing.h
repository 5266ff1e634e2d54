#pragma once

#include <cstdint>

#include "kernels/api/fault.h"
#include "kernels/api/kernel.h"
#include "kernels/common/bfloat16.h"
#include "kernels/common/type_list.h"

namespace switchyard::kernels {

// Sizes: T tokens, E experts, k choices per token, S slots (kept assignments), D columns of a
// token. Assignment a = token · k + choice. Indices are int64. Nothing here depends on the thread
// count.

/// indices [T, k]: the k largest of each row of logits [T, E], descending, ties to the lower index.
template <class T>
struct TopK {
  static constexpr std::string_view kName = "top_k";
  const T* logits = nullptr;  ///< [tokens, experts]
  std::int64_t tokens = 0;
  std::int64_t experts = 0;
  std::int64_t k = 0;               ///< 1 <= k <= experts
  std::int64_t* indices = nullptr;  ///< [tokens, k]
  /// Told the first row that holds NaN or is all -inf; that row's indices mean nothing.
  FaultReport bad_row = {};
  Work work() const {
    return {.bytes = bytes_of<T>(tokens * experts) + bytes_of<std::int64_t>(tokens * k)};
  }
};

/// Looks for an index outside [0, bound).
struct FirstOutOfRange {
  static constexpr std::string_view kName = "first_out_of_range";
  const std::int64_t* indices = nullptr;  ///< [count]
  std::int64_t count = 0;
  std::int64_t bound = 0;
  FaultReport position = {};  ///< told the first such index's position
  Work work() const { return {.bytes = bytes_of<std::int64_t>(count)}; }
};

/// y[t, j] = x[t, indices[t, j]].
template <class T>
struct Gather {
  static constexpr std::string_view kName = "gather";
  const T* x = nullptr;                   ///< [tokens, columns]
  const std::int64_t* indices = nullptr;  ///< [tokens, k] in [0, columns)
  std::int64_t tokens = 0;
  std::int64_t columns = 0;
  std::int64_t k = 0;
  T* y = nullptr;  ///< [tokens, k]
  Work work() const {
    return {.bytes = bytes_of<T>(2 * tokens * k) + bytes_of<std::int64_t>(tokens * k)};
  }
};

/// y [T, columns]: zeros, then y[t, indices[t, j]] += x[t, j] in the order of j.
template <class T>
struct ScatterAdd {
  static constexpr std::string_view kName = "scatter_add";
  const T* x = nullptr;                   ///< [tokens, k]
  const std::int64_t* indices = nullptr;  ///< [tokens, k] in [0, columns)
  std::int64_t tokens = 0;
  std::int64_t columns = 0;
  std::int64_t k = 0;
  T* y = nullptr;  ///< [tokens, columns]
  Work work() const {
    return {.bytes = bytes_of<T>(tokens * (k + columns)) + bytes_of<std::int64_t>(tokens * k)};
  }
};

/// Slots [offsets[e], offsets[e+1]) go to expert e, which takes at most `capacity` assignments.
struct SegmentOffsets {
  static constexpr std::string_view kName = "segment_offsets";
  const std::int64_t* indices = nullptr;  ///< [assignments] in [0, experts)
  std::int64_t assignments = 0;           ///< T · k
  std::int64_t experts = 0;
  std::int64_t capacity = 0;        ///< 0: any number
  std::int64_t* offsets = nullptr;  ///< [experts + 1]
  Work work() const { return {.bytes = bytes_of<std::int64_t>(assignments + experts + 1)}; }
};

/// Stable sort of the assignments by expert, of which each expert keeps the first
/// offsets[e+1] - offsets[e].
struct SortAssignments {
  static constexpr std::string_view kName = "sort_assignments";
  const std::int64_t* indices = nullptr;  ///< [assignments] in [0, experts)
  std::int64_t assignments = 0;           ///< T · k
  std::int64_t experts = 0;
  const std::int64_t* offsets = nullptr;  ///< [experts + 1]
  std::int64_t* permutation = nullptr;    ///< [S]: slot -> assignment
  std::int64_t* inverse = nullptr;        ///< [assignments]: assignment -> slot, -1 if dropped
  /// Counts as many slots as assignments, since the host need not know how many are dropped.
  Work work() const { return {.bytes = bytes_of<std::int64_t>(3 * assignments + experts + 1)}; }
};

/// positions [count]: the assignments that chose `expert`, ascending: a boolean mask and its
/// non-zero elements, looked for anew for every expert.
struct SelectAssignments {
  static constexpr std::string_view kName = "select_assignments";
  const std::int64_t* indices = nullptr;  ///< [assignments] in [0, experts)
  std::int64_t assignments = 0;
  std::int64_t expert = 0;
  std::int64_t* positions = nullptr;  ///< [assignments], of which `count` are written
  std::int64_t* count = nullptr;      ///< one number
  /// Counts no position as written, since the host does not know how many are.
  Work work() const { return {.bytes = bytes_of<std::int64_t>(assignments + 1)}; }
};

/// Sizes of the token movement below.
struct RouteShape {
  std::int64_t tokens = 0;
  std::int64_t k = 0;
  std::int64_t slots = 0;
  std::int64_t width = 0;  ///< D
};

// Combining is one trilinear form Σ_{t,j} weights[t, j] · <gy[t], x[slot(t, j)]> with three faces:
// combine, dispatch and the gradient of the weights. Dropped assignments contribute nothing.
// `weights` may be null, which stands for ones. T is float, double or bfloat16; beside bfloat16
// rows weights, their gradient and all sums are float32.

/// y[s] = weights[permutation[s]] · x[permutation[s] / k].
template <class T>
struct Dispatch {
  static constexpr std::string_view kName = "dispatch";
  RouteShape shape;
  const std::int64_t* permutation = nullptr;  ///< [slots]
  const T* x = nullptr;                       ///< [tokens, width]
  const ResultOf<T>* weights = nullptr;       ///< [tokens, k] or null
  T* y = nullptr;                             ///< [slots, width]
  Work work() const {
    const auto& [tokens, k, slots, width] = shape;
    return {.bytes = bytes_of<T>((tokens + slots) * width) +
                     bytes_of<ResultOf<T>>(weights != nullptr ? slots : 0) +
                     bytes_of<std::int64_t>(slots)};
  }
};

/// y[t] = Σ_j weights[t, j] · x[inverse[t, j]].
template <class T>
struct Combine {
  static constexpr std::string_view kName = "combine";
  RouteShape shape;
  const std::int64_t* inverse = nullptr;  ///< [tokens, k]
  const T* x = nullptr;                   ///< [slots, width]
  const ResultOf<T>* weights = nullptr;   ///< [tokens, k] or null
  T* y = nullptr;                         ///< [tokens, width]
  Work work() const {
    const auto& [tokens, k, slots, width] = shape;
    return {.bytes = bytes_of<T>((tokens + slots) * width) +
                     bytes_of<ResultOf<T>>(weights != nullptr ? tokens * k : 0) +
                     bytes_of<std::int64_t>(tokens * k)};
  }
};

/// y[positions[s] / k] += weights[positions[s]] · x[s] for each slot s, in their order. Positions
/// ascend, so that slots of one token are neighbours.
template <class T>
struct AddRows {
  static constexpr std::string_view kName = "add_rows";
  RouteShape shape;
  const std::int64_t* positions = nullptr;  ///< [slots]
  const T* x = nullptr;                     ///< [slots, width]
  const ResultOf<T>* weights = nullptr;     ///< [tokens, k] or null
  T* y = nullptr;                           ///< [tokens, width]
  Work work() const {
    const auto& [tokens, k, slots, width] = shape;
    return {.bytes = bytes_of<T>(3 * slots * width) +
                     bytes_of<ResultOf<T>>(weights != nullptr ? slots : 0) +
                     bytes_of<std::int64_t>(slots)};
  }
};

/// gweights[t, j] = <gy[t], x[inverse[t, j]]>; 0 where dropped.
template <class T>
struct CombineWeightGrad {
  static constexpr std::string_view kName = "combine_weight_grad";
  RouteShape shape;
  const std::int64_t* inverse = nullptr;  ///< [tokens, k]
  const T* x = nullptr;                   ///< [slots, width]
  const T* gy = nullptr;                  ///< [tokens, width]
  ResultOf<T>* gweights = nullptr;        ///< [tokens, k]
  Work work() const {
    const auto& [tokens, k, slots, width] = shape;
    return {.bytes = bytes_of<T>((tokens + slots) * width) + bytes_of<ResultOf<T>>(tokens * k) +
                     bytes_of<std::int64_t>(tokens * k)};
  }
};

/// The movements of rows between tokens and slots, and their weights' gradient, for every type.
using RowMoves = TypeList<Dispatch<float>, Dispatch<double>, Dispatch<BFloat16>, Combine<float>,
                          Combine<double>, Combine<BFloat16>, CombineWeightGrad<float>,
                          CombineWeightGrad<double>, CombineWeightGrad<BFloat16>>;

}  // namespace switchyard::kernels
