#include "data/shuffle.h"

#include <numeric>
#include <utility>

namespace switchyard {

std::vector<std::int64_t> random_permutation(std::int64_t count, const Generator& generator) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t last = order.size(); last-- > 1;) {
    const auto random = generator.block(last);
    const std::uint64_t word = std::uint64_t{random[0]} << 32 | random[1];
    std::swap(order[last], order[word % (last + 1)]);  // the bias is below 2^-40
  }
  return order;
}

}  // namespace switchyard
