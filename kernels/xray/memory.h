#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/xray/shadow.h"

namespace switchyard::kernels::xray {

/// A range of global memory that a kernel may use. Addresses are the host's own.
struct Allocation {
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
  std::string name;                     ///< in messages
  std::shared_ptr<WrittenMap> written;  ///< null where all of it holds values
  std::uint32_t element_bytes = 0;      ///< 0: not an array of the kernel's results

  bool holds(std::uint64_t address, std::uint64_t count) const {
    return address >= begin && address - begin <= bytes && count <= bytes - (address - begin);
  }
};

/// What memory holds when it is registered.
enum class Contents : std::uint8_t {
  kValues,     ///< whatever is in it counts as written
  kUndefined,  ///< nothing does, until a kernel writes it or mark_written() says so
};

/// Where an address lies that is in no allocation.
struct Outside {
  std::string text;       ///< "4 bytes after the end of input (4096 bytes)"
  std::string array;      ///< the allocation that was meant; "" where none is near
  std::int64_t byte = 0;  ///< its offset from that one's beginning
  bool is_freed = false;
};

/// The global memory that a kernel sees. Every access of a kernel must lie in one allocation, so
/// that no kernel can reach anything else of the process. It must not change while a launch runs.
class Memory {
 public:
  /// Takes `bytes` bytes, aligned to 256 as cudaMalloc aligns them, all zero. Memory that nobody
  /// touches costs nothing. At least as many bytes before and behind it, up to a gigabyte, belong
  /// to nobody, so that no overflow lands in another buffer. Returns the address. Errors:
  /// OutOfMemory.
  std::byte* allocate(std::size_t bytes, std::string name, Contents contents = Contents::kValues);
  /// Registers memory of the caller's, which must outlive every launch that uses it.
  void add(void* begin, std::size_t bytes, std::string name, Contents contents = Contents::kValues);
  /// Forgets memory that was added or allocated; who reaches for it uses what was freed.
  void remove(const void* begin);
  /// The host wrote these bytes, or moved values there.
  void mark_written(const void* begin, std::size_t bytes);
  /// A checked launch must write all of an allocation, an array of such elements, that holds
  /// nothing yet.
  void expect_result(const void* begin, std::uint32_t element_bytes);
  /// From now on all memory counts as written: a launch that nobody checked may have done it.
  void trust_contents();

  /// The allocation that holds `bytes` bytes from `address` on; null if there is none.
  const Allocation* find(std::uint64_t address, std::uint64_t bytes) const;
  /// The allocation of that name; null if there is none.
  const Allocation* find(std::string_view name) const;
  /// Says where an address lies that is in none.
  Outside describe(std::uint64_t address) const;
  const std::vector<Allocation>& allocations() const { return allocations_; }
  /// Whether any of it may hold what was never written.
  bool has_undefined() const { return undefined_ != 0; }

 private:
  /// Address space of its own, with what nobody may touch around what is used.
  struct Mapping {
    void* begin;
    std::size_t bytes;
  };
  struct Unmap {
    using pointer = Mapping*;
    void operator()(Mapping* mapping) const;
  };
  std::vector<Allocation> allocations_;  // by address
  std::vector<Allocation> freed_;
  std::vector<std::unique_ptr<Mapping, Unmap>> owned_;
  std::size_t undefined_ = 0;  ///< allocations that have a map of what was written
};

}  // namespace switchyard::kernels::xray
