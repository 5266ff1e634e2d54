#include "kernels/api/provide.h"
#include "kernels/api/routing.h"
#include "kernels/common/widen.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/routing_rows.h"

namespace switchyard::kernels {
namespace {

void select_assignments_plain(Cpu&, const SelectAssignments& a) {
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < a.assignments; ++i) {
    if (a.indices[i] == a.expert) a.positions[found++] = i;
  }
  *a.count = found;
}

/// The slots that begin a token, and those of the same token behind them.
template <class T>
void add_rows(const AddRows<T>& a, std::int64_t begin, std::int64_t end) {
  const RouteShape& s = a.shape;
  const auto token = [&a, &s](std::int64_t slot) { return a.positions[slot] / s.k; };
  while (begin < end && begin > 0 && token(begin) == token(begin - 1)) ++begin;
  while (end > begin && end < s.slots && token(end) == token(end - 1)) ++end;
  for (std::int64_t slot = begin; slot < end; ++slot) {
    const ResultOf<T> weight = a.weights == nullptr ? ResultOf<T>(1) : a.weights[a.positions[slot]];
    const T* const from = a.x + slot * s.width;
    T* const to = a.y + token(slot) * s.width;
    for (std::int64_t d = 0; d < s.width; ++d) {
      to[d] = convert_element<T>(widen(to[d]) + weight * widen(from[d]));
    }
  }
}

template <class T>
void add_rows_plain(Cpu&, const AddRows<T>& a) {
  add_rows(a, 0, a.shape.slots);
}

template <class T>
void add_rows_threads(Cpu&, const AddRows<T>& a) {
  parallel_for(a.shape.slots, rows_per_thread(a.shape.width),
               [&](std::int64_t begin, std::int64_t end) { add_rows(a, begin, end); });
}

}  // namespace

template <>
constexpr auto kRungs<Cpu, SelectAssignments> = std::to_array<Rung<Cpu, SelectAssignments>>(
    {{"select_assignments_plain_loops", select_assignments_plain}});

template <class T>
constexpr auto kRungs<Cpu, AddRows<T>> = std::to_array<Rung<Cpu, AddRows<T>>>(
    {{"add_rows_plain_loops", add_rows_plain<T>}, {"add_rows_threads", add_rows_threads<T>}});

template struct Provides<Cpu, SelectAssignments, AddRows<float>, AddRows<double>,
                         AddRows<BFloat16>>;

}  // namespace switchyard::kernels
