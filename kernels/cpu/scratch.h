#pragma once

#include <cstddef>

namespace switchyard::kernels {

/// Buffers that one kernel may need at the same time.
enum class Scratch {
  kLibrary,
  kPackedX,
  kPackedWeights,
  kPackedY,
  kPatches,
  kPartialSums,
  kMoePanels,
  kPackedTiles,
  kWidenedRows,
  kCount
};

/// Uninitialised memory, aligned to 64 bytes, that the calling thread keeps for its next kernels:
/// allocating tens of megabytes per call would cost more in page faults than small kernels take.
/// Valid until this thread asks for the same buffer again or ends.
void* scratch(Scratch buffer, std::size_t bytes);

template <class T>
T* scratch(Scratch buffer, std::size_t count) {
  return static_cast<T*>(scratch(buffer, count * sizeof(T)));
}

}  // namespace switchyard::kernels
