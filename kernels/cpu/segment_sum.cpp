#include <array>
#include <vector>

#include "kernels/api/grouped_matmul.h"
#include "kernels/api/provide.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

/// Sums of the columns of expert e's rows, row after row: neighbouring columns vectorise.
template <class T>
void sum_segment(const SegmentSum<T>& a, std::int64_t e) {
  std::vector<double> sums(static_cast<std::size_t>(a.cols));
  for (std::int64_t row = a.offsets[e]; row < a.offsets[e + 1]; ++row) {
    const T* const x = a.x + row * a.cols;
    for (std::int64_t c = 0; c < a.cols; ++c) {
      sums[static_cast<std::size_t>(c)] += double{widen(x[c])};
    }
  }
  for (std::int64_t c = 0; c < a.cols; ++c) {
    a.y[e * a.cols + c] = convert_element<T>(sums[static_cast<std::size_t>(c)]);
  }
}

template <class T>
void segment_sum_vector_loops(Cpu&, const SegmentSum<T>& a) {
  parallel_for(a.experts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t e = begin; e < end; ++e) sum_segment(a, e);
  });
}

/// The definition, one output after the other on one thread.
template <class T>
void segment_sum_plain_loops(Cpu&, const SegmentSum<T>& a) {
  for (std::int64_t e = 0; e < a.experts; ++e) {
    for (std::int64_t c = 0; c < a.cols; ++c) {
      double sum = 0.0;
      for (std::int64_t row = a.offsets[e]; row < a.offsets[e + 1]; ++row) {
        sum += double{widen(a.x[row * a.cols + c])};
      }
      a.y[e * a.cols + c] = convert_element<T>(sum);
    }
  }
}

}  // namespace

// ---- the ladder

template <class T>
constexpr auto kRungs<Cpu, SegmentSum<T>> = std::to_array<Rung<Cpu, SegmentSum<T>>>(
    {{"segment_sum_plain_loops", segment_sum_plain_loops<T>},
     {"segment_sum_vector_loops", segment_sum_vector_loops<T>}});

template struct Provides<Cpu, SegmentSum<float>, SegmentSum<double>, SegmentSum<BFloat16>>;

}  // namespace switchyard::kernels
