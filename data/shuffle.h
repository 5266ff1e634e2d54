#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/random.h"

namespace switchyard {

/// The numbers 0 ... count-1 in random order, a pure function of the generator's seed: Fisher and
/// Yates' shuffle in Durstenfeld's form (Algorithm 235, CACM 1964).
std::vector<std::int64_t> random_permutation(std::int64_t count, const Generator& generator);

}  // namespace switchyard
