#include "kernels/xray/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {
namespace {

constexpr std::size_t kPage = 4096;
/// Of the address space around an allocation that stays empty.
constexpr std::size_t kLeastGuard = std::size_t{64} << 10;
constexpr std::size_t kMostGuard = std::size_t{1} << 30;
/// What was freed longest ago is forgotten.
constexpr std::size_t kMostFreed = 256;

/// Returns the first allocation that begins behind `address`.
template <class Allocations>
auto first_after(Allocations& allocations, std::uint64_t address) {
  return std::upper_bound(
      allocations.begin(), allocations.end(), address,
      [](std::uint64_t value, const Allocation& one) { return value < one.begin; });
}

std::size_t rounded_up(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

}  // namespace

void Memory::Unmap::operator()(Mapping* mapping) const {
  munmap(mapping->begin, mapping->bytes);
  delete mapping;
}

std::byte* Memory::allocate(std::size_t bytes, std::string name, Contents contents) {
  if (bytes > SIZE_MAX / 8) throw OutOfMemory(bytes, "the host");
  const std::size_t guard = std::clamp(rounded_up(bytes), kLeastGuard, kMostGuard);
  const std::size_t used = rounded_up(bytes + 1);
  const std::size_t all = used + 2 * guard;
  void* const begin =
      mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) throw OutOfMemory(bytes, "the host");
  owned_.emplace_back(new Mapping{begin, all});
  auto* const memory = static_cast<std::byte*>(begin) + guard;
  if (mprotect(memory, used, PROT_READ | PROT_WRITE) != 0) throw OutOfMemory(bytes, "the host");
  add(memory, bytes, std::move(name), contents);
  return memory;
}

void Memory::add(void* begin, std::size_t bytes, std::string name, Contents contents) {
  const auto address = reinterpret_cast<std::uint64_t>(begin);
  std::erase_if(freed_, [&](const Allocation& one) {
    return one.begin < address + std::max<std::size_t>(bytes, 1) &&
           address < one.begin + std::max<std::uint64_t>(one.bytes, 1);
  });
  Allocation made{address, bytes, std::move(name), nullptr, 0};
  if (contents == Contents::kUndefined) {
    made.written = std::make_shared<WrittenMap>(bytes);
    ++undefined_;
  }
  allocations_.insert(first_after(allocations_, address), std::move(made));
}

void Memory::remove(const void* begin) {
  const auto found = std::find_if(
      allocations_.begin(), allocations_.end(),
      [&](const Allocation& one) { return one.begin == reinterpret_cast<std::uint64_t>(begin); });
  if (found == allocations_.end()) return;
  undefined_ -= found->written ? 1 : 0;
  found->written = nullptr;
  if (freed_.size() == kMostFreed) freed_.erase(freed_.begin());
  freed_.push_back(std::move(*found));
  allocations_.erase(found);
}

void Memory::mark_written(const void* begin, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uint64_t>(begin);
  const Allocation* const found = find(address, bytes);
  if (found == nullptr || !found->written) return;
  found->written->set_range(address - found->begin, bytes, true);
}

void Memory::expect_result(const void* begin, std::uint32_t element_bytes) {
  for (Allocation& one : allocations_) {
    if (one.begin == reinterpret_cast<std::uint64_t>(begin)) one.element_bytes = element_bytes;
  }
}

void Memory::trust_contents() {
  if (undefined_ == 0) return;
  for (Allocation& one : allocations_) one.written = nullptr;
  undefined_ = 0;
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

Outside Memory::describe(std::uint64_t address) const {
  for (const Allocation& one : freed_) {
    if (!one.holds(address, 1)) continue;
    const std::uint64_t offset = address - one.begin;
    return {fmt::format("byte {} of {} ({} bytes), which was freed", offset, one.name, one.bytes),
            one.name, static_cast<std::int64_t>(offset), true};
  }
  const auto after = first_after(allocations_, address);
  // Of the neighbours the nearer one is what was meant, if it is near at all.
  std::uint64_t nearest = kMostGuard;
  Outside where{"outside every buffer", "", 0, false};
  if (after != allocations_.begin()) {
    const Allocation& one = *(after - 1);
    const std::uint64_t offset = address - one.begin;
    where.byte = static_cast<std::int64_t>(offset);
    if (offset < one.bytes) {
      where.array = one.name;
      where.text = fmt::format("byte {} of {} ({} bytes)", offset, one.name, one.bytes);
      return where;
    }
    if (offset - one.bytes < nearest) {
      nearest = offset - one.bytes;
      where.array = one.name;
      where.text =
          fmt::format("{} bytes after the end of {} ({} bytes)", nearest, one.name, one.bytes);
    }
  }
  if (after != allocations_.end() && after->begin - address < nearest) {
    const std::uint64_t before = after->begin - address;
    where = {fmt::format("{} bytes before {} ({} bytes)", before, after->name, after->bytes),
             after->name, -static_cast<std::int64_t>(before), false};
  }
  return where;
}

}  // namespace switchyard::kernels::xray
