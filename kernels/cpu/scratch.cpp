#include "kernels/cpu/scratch.h"

#include <array>

#include "kernels/cpu/aligned_buffer.h"

namespace switchyard::kernels {

void* scratch(Scratch buffer, std::size_t bytes) {
  thread_local std::array<AlignedBuffer, static_cast<std::size_t>(Scratch::kCount)> buffers;
  AlignedBuffer& mine = buffers[static_cast<std::size_t>(buffer)];
  if (mine.bytes() < bytes) {
    mine = AlignedBuffer();  // give back before growing
    mine = AlignedBuffer(bytes);
  }
  return mine.data();
}

}  // namespace switchyard::kernels
