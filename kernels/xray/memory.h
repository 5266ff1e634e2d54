#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::kernels::xray {

/// A range of global memory that a kernel may use. Addresses are the host's own.
struct Allocation {
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
  std::string name;  ///< in messages

  bool holds(std::uint64_t address, std::uint64_t count) const {
    return address >= begin && address - begin <= bytes && count <= bytes - (address - begin);
  }
};

/// The global memory that a kernel sees. Every access of a kernel must lie in one allocation, so
/// that no kernel can reach anything else of the process. It must not change while a launch runs.
class Memory {
 public:
  /// Takes `bytes` bytes, aligned to 256 as cudaMalloc aligns them, all zero. Returns their
  /// address. Errors: OutOfMemory.
  std::byte* allocate(std::size_t bytes, std::string name);
  /// Registers memory of the caller's, which must outlive every launch that uses it.
  void add(void* begin, std::size_t bytes, std::string name);
  /// Forgets memory that was added.
  void remove(const void* begin);

  /// The allocation that holds `bytes` bytes from `address` on; null if there is none.
  const Allocation* find(std::uint64_t address, std::uint64_t bytes) const;
  /// The allocation of that name; null if there is none.
  const Allocation* find(std::string_view name) const;
  /// Says where an address lies that is in none: "4 bytes after the end of input (4096 bytes)".
  std::string describe(std::uint64_t address) const;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::vector<Allocation> allocations_;  // by address
  std::vector<std::unique_ptr<std::byte, Free>> owned_;
};

}  // namespace switchyard::kernels::xray
