#include "kernels/xray/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
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
  // calloc leaves pages of large buffers untouched until a kernel uses them, so that a buffer
  // beyond 2^31 elements costs nothing where few of them are used.
  auto* taken = static_cast<std::byte*>(std::calloc(bytes / kAlignment + 2, kAlignment));
  if (taken == nullptr) throw OutOfMemory(bytes, "the host");
  owned_.emplace_back(taken);
  const auto address = reinterpret_cast<std::uintptr_t>(taken);
  std::byte* memory = taken + (kAlignment - address % kAlignment) % kAlignment;
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

const Allocation* Memory::find(std::string_view name) const {
  const auto found = std::find_if(allocations_.begin(), allocations_.end(),
                                  [&](const Allocation& one) { return one.name == name; });
  return found == allocations_.end() ? nullptr : &*found;
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
