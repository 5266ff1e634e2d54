#include "engine/core/random.h"

namespace switchyard {

Generator Generator::fork(std::uint64_t stream) const {
  // SplitMix64 finaliser (Steele et al., 2014): neighbouring streams get unrelated seeds.
  std::uint64_t z = position_.seed + (stream + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return Generator(z ^ (z >> 31));
}

}  // namespace switchyard
