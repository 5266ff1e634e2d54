#include "kernels/xray/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {
namespace {

constexpr std::size_t kAlignment = 256;

/// Returns the first allocation that begins behind `address`.
template <class Allocations>
auto first_after(Allocations& allocations, std::uint64_t address) {
  return std::upper_bound(
      allocations.begin(), allocations.end(), address,
      [](std::uint64_t value, const Allocation& one) { return value < one.begin; });
}

}  // namespace

void Memory::Free::operator()(std::byte* memory) const { std::free(memory); }

std::byte* Memory::allocate(std::size_t bytes, std::string name) {
  if (bytes > SIZE_MAX - 2 * kAlignment) throw OutOfMemory(bytes, "the host");
  const std::size_t taken = (bytes / kAlignment + 1) * kAlignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, taken));
  if (memory == nullptr) throw OutOfMemory(bytes, "the host");
  owned_.emplace_back(memory);
  std::memset(memory, 0, taken);
  add(memory, bytes, std::move(name));
  return memory;
}

void Memory::add(void* begin, std::size_t bytes, std::string name) {
  const auto address = reinterpret_cast<std::uint64_t>(begin);
  allocations_.insert(first_after(allocations_, address), {address, bytes, std::move(name)});
}

void Memory::remove(const void* begin) {
  std::erase_if(allocations_, [&](const Allocation& one) {
    return one.begin == reinterpret_cast<std::uint64_t>(begin);
  });
}

const Allocation* Memory::find(std::uint64_t address, std::uint64_t bytes) const {
  const auto after = first_after(allocations_, address);
  if (after == allocations_.begin()) return nullptr;
  const Allocation& one = *(after - 1);
  return one.holds(address, bytes) ? &one : nullptr;
}

std::string Memory::describe(std::uint64_t address) const {
  const auto after = first_after(allocations_, address);
  // Of the neighbours the nearer one is what was meant, if it is near at all.
  constexpr std::uint64_t kNear = 1U << 20;
  std::uint64_t nearest = kNear;
  std::string text = "outside every buffer";
  if (after != allocations_.begin()) {
    const Allocation& one = *(after - 1);
    const std::uint64_t offset = address - one.begin;
    if (offset < one.bytes) {
      return fmt::format("byte {} of {} ({} bytes)", offset, one.name, one.bytes);
    }
    if (offset - one.bytes < nearest) {
      nearest = offset - one.bytes;
      text = fmt::format("{} bytes after the end of {} ({} bytes)", nearest, one.name, one.bytes);
    }
  }
  if (after != allocations_.end() && after->begin - address < nearest) {
    text = fmt::format("{} bytes before {} ({} bytes)", after->begin - address, after->name,
                       after->bytes);
  }
  return text;
}

}  // namespace switchyard::kernels::xray
