#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/tensor.h"

namespace switchyard::labs {

/// Which token each slot of the experts holds: number s is in [0, tokens). A token may be in
/// several slots, or in none.
using TokenOfSlot = std::vector<std::int64_t>;

/// y[s] = x[token_of[s]]: tokens x [T, D] to slots [S, D]; float64.
Tensor send(const Tensor& x, const TokenOfSlot& token_of);
/// The transpose of send(): slots y [S, D] back to tokens [T, D].
Tensor collect(const Tensor& y, const TokenOfSlot& token_of, std::int64_t tokens);

}  // namespace switchyard::labs
