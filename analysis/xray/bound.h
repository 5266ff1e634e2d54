#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/xray/gpu.h"

namespace switchyard::xray {

/// Adds to a document of `switchyard xray` (docs/design/xray.md) the GPU and, to its runs and their
/// launches, the field `bound`: the least time that the counted work can take on it. No measurement
/// backs it.
///
/// A launch: the largest of its flops at the vector units' rate, flops at the tensor cores' rate,
/// instructions at the issue rate (moves and constants left out, which the machine's compiler
/// mostly removes) and turns of shared memory. A run: the sum of its launches', or its bytes at the
/// memory's bandwidth where that is more, and what the launches themselves cost. The bytes are the
/// compulsory ones or, of a run of one launch whose caches were measured, those that an L2 cache of
/// the GPU's size misses, if they are more; `memory_bytes` and `memory_bytes_of` ("compulsory" or
/// "cache") say which.
void add_bounds(nlohmann::json& document, const Gpu& gpu);

}  // namespace switchyard::xray
