#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/xray/memory.h"
#include "kernels/xray/module.h"

namespace switchyard::kernels::xray {

/// The global and constant variables of a module in memory, with their initial values. They belong
/// to a Memory, so that kernels may reach them.
class Image {
 public:
  /// Errors: Error for an initial value that names an unknown variable; OutOfMemory.
  Image(const Module& module, Memory& memory);
  /// The address of Module::variables()[index]; 0 for a shared one, and for one that another file
  /// would define.
  std::uint64_t address(std::size_t index) const { return addresses_[index]; }

 private:
  std::vector<std::uint64_t> addresses_;
};

}  // namespace switchyard::kernels::xray
