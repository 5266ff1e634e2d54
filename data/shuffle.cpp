#include "data/shuffle.h"

#include <numeric>
#include <utility>

#include "kernels/common/philox.h"

namespace switchyard {

std::vector<std::int64_t> random_permutation(std::int64_t count, const Generator& generator) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const std::uint64_t seed = generator.position().seed;
  for (std::size_t last = order.size(); last-- > 1;) {
    const kernels::RandomBlock random = kernels::philox(seed, last);
    const std::uint64_t word = std::uint64_t{random.word[0]} << 32 | random.word[1];
    std::swap(order[last], order[word % (last + 1)]);  // the bias is below 2^-40
  }
  return order;
}

}  // namespace switchyard
