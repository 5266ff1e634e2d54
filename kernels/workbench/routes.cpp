#include "kernels/workbench/routes.h"

#include <algorithm>
#include <cmath>

namespace switchyard::kernels::workbench {

Indices random_experts(Problem& random, std::int64_t count, std::int64_t experts,
                       std::int64_t skew) {
  const Numbers uniform = random.random_uniform(element_count({{count}}));
  Indices chosen;
  for (const double u : uniform) {
    const auto in_turn = static_cast<std::int64_t>(chosen.size()) % experts;
    const auto drawn = static_cast<std::int64_t>(std::pow(u, static_cast<double>(skew)) *
                                                 static_cast<double>(experts));
    const bool leave_empty = skew == 1 && drawn % 3 == 2;
    chosen.push_back(skew == 0 ? in_turn : std::min(drawn, experts - 1) - (leave_empty ? 1 : 0));
  }
  return chosen;
}

Sorted sort_by_expert(const Indices& assignments, std::int64_t experts, std::int64_t capacity) {
  Sorted sorted = {{0}, {}, Indices(assignments.size(), -1)};
  std::vector<Indices> of_expert(static_cast<std::size_t>(experts));
  for (std::size_t a = 0; a < assignments.size(); ++a) {
    Indices& mine = of_expert[static_cast<std::size_t>(assignments[a])];
    if (capacity == 0 || static_cast<std::int64_t>(mine.size()) < capacity) {
      mine.push_back(static_cast<std::int64_t>(a));
    }
  }
  for (const Indices& mine : of_expert) {
    for (const std::int64_t a : mine) {
      sorted.inverse[static_cast<std::size_t>(a)] =
          static_cast<std::int64_t>(sorted.permutation.size());
      sorted.permutation.push_back(a);
    }
    sorted.offsets.push_back(static_cast<std::int64_t>(sorted.permutation.size()));
  }
  return sorted;
}

Indices offsets_of(const Indices& assignments, std::int64_t experts) {
  return sort_by_expert(assignments, experts, 0).offsets;
}

}  // namespace switchyard::kernels::workbench
