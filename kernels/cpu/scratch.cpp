#include "kernels/cpu/scratch.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <new>

namespace switchyard::kernels {
namespace {

struct Free {
  void operator()(void* block) const { std::free(block); }
};

struct Buffer {
  std::unique_ptr<void, Free> block;
  std::size_t bytes = 0;
};

}  // namespace

void* scratch(Scratch buffer, std::size_t bytes) {
  constexpr std::size_t kAlignment = 64;
  thread_local std::array<Buffer, static_cast<std::size_t>(Scratch::kCount)> buffers;
  Buffer& mine = buffers[static_cast<std::size_t>(buffer)];
  if (mine.bytes < bytes) {
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    mine.block.reset();  // give back before growing
    mine.bytes = 0;
    mine.block.reset(std::aligned_alloc(kAlignment, rounded));
    if (mine.block == nullptr) throw std::bad_alloc();
    mine.bytes = rounded;
  }
  return mine.block.get();
}

}  // namespace switchyard::kernels
