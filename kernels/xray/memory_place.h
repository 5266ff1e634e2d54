#pragma once

#include <cstdint>
#include <string>

#include "kernels/xray/warp.h"

namespace switchyard::kernels::xray {

/// An address as a reader wants it: an element of an array.
struct MemoryPlace {
  std::string array;        ///< "" where it lies in none
  std::uint64_t byte = 0;   ///< offset in the array
  std::uint64_t index = 0;  ///< the same in elements of the access's size
};

/// The shared array or the allocation that an address lies in.
MemoryPlace place_of(const Launch& launch, Space space, std::uint64_t address, std::uint32_t bytes);
/// "tile[32] (byte 128)".
std::string text(const MemoryPlace& place);
/// The shared array that an address lies in; null where it lies in none.
const SharedVariable* shared_array(const Launch& launch, std::uint64_t address);
/// The bytes of a shared array in this launch.
std::uint64_t bytes_of(const Launch& launch, const SharedVariable& array);

}  // namespace switchyard::kernels::xray
