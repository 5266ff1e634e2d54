#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard::kernels::xray {

/// What sort of work an instruction is; the mix of a kernel counts them.
enum class Kind : std::uint8_t {
  kInteger,
  kFloat32,
  kFloat64,
  kHalf,     ///< fp16 and bfloat16
  kSpecial,  ///< approximate functions, which have a unit of their own
  kConvert,
  kCompare,  ///< predicates and selections
  kMove,     ///< copies and constants, which the machine's compiler mostly removes
  kControl,
  kGlobalLoad,
  kGlobalStore,
  kSharedLoad,
  kSharedStore,
  kLocal,     ///< loads and stores of a thread's own memory: spills and arrays
  kConstant,  ///< loads of parameters and constants
  kAtomic,
  kAsyncCopy,
  kCollective,  ///< shuffles, votes, warp-wide reductions
  kBarrier,
  kTensorCore,
  kOther
};
inline constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::kOther) + 1;

/// Returns the name that listings show, such as "global load".
const char* name(Kind kind);

}  // namespace switchyard::kernels::xray
