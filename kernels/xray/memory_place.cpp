#include "kernels/xray/memory_place.h"

#include <fmt/format.h>

namespace switchyard::kernels::xray {

std::uint64_t bytes_of(const Launch& launch, const SharedVariable& array) {
  return array.is_dynamic ? launch.shape.dynamic_shared_bytes : array.bytes;
}

const SharedVariable* shared_array(const Launch& launch, std::uint64_t address) {
  for (const SharedVariable& one : launch.program.shared_variables) {
    if (address >= one.offset && address - one.offset < bytes_of(launch, one)) return &one;
  }
  return nullptr;
}

MemoryPlace place_of(const Launch& launch, Space space, std::uint64_t address,
                     std::uint32_t bytes) {
  const auto in_array = [&](const std::string& name, std::uint64_t begin) {
    return MemoryPlace{name, address - begin, (address - begin) / bytes};
  };
  if (space != Space::kShared) {
    const Allocation* const found = launch.memory.find(address, 1);
    if (found != nullptr) return in_array(found->name, found->begin);
    return {"", address, 0};
  }
  const SharedVariable* const array = shared_array(launch, address);
  return array != nullptr ? in_array(array->name, array->offset) : in_array("the shared memory", 0);
}

std::string text(const MemoryPlace& place) {
  return fmt::format("{}[{}] (byte {})", place.array, place.index, place.byte);
}

}  // namespace switchyard::kernels::xray
