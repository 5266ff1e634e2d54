#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/common/async_copy.h"
#include "kernels/common/cuda.h"
#include "kernels/common/wide.h"

// Every tiled product C [rows, cols] = A · B shares this: where operands are read from, where the
// result goes, and how the threads of a block bring a tile of an operand into shared memory.
//
// Both operands are seen as [rows, depth]: for A a row is a row of C, for B a column of C; depth is
// the axis that is summed over. A *source* answers for the address of one element, so that the same
// product runs over matrices, transposed matrices and the patches of an image that nobody ever
// wrote down (implicit GEMM):
//
//   using Element = T;
//   static constexpr bool kAlongDepth;         // neighbours in memory: in depth, else in rows
//   struct Row; Row row(int) const;            // what can be computed once per row
//   const T* at(const Row&, int depth) const;  // null where the operand is zero or ends
//
// With 128-bit loads the 16 bytes from an address on must belong to the operand, so its extent
// along memory must be a multiple of them.

namespace switchyard::kernels {

/// A row-major matrix with rows of `stride` elements, seen as [rows, depth] (kAlongDepth) or as its
/// transpose.
template <class T, bool kDepthInMemory>
struct MatrixSource {
  using Element = T;
  static constexpr bool kAlongDepth = kDepthInMemory;
  const T* data;
  int rows;
  std::int64_t stride;

  struct Row {
    int index;
  };
  __device__ __forceinline__ Row row(int r) const { return {r}; }
  __device__ __forceinline__ const T* at(const Row& row, int depth) const {
    if (row.index >= rows) return nullptr;
    return data + (kAlongDepth ? row.index * stride + depth : depth * stride + row.index);
  }
};

/// Says where C goes: to a row-major matrix. A sink answers for the address of a row, null past the
/// end.
template <class T>
struct MatrixSink {
  T* data;
  int rows;
  int cols;
  bool wide;  ///< rows may be written 16 bytes at a time

  __device__ __forceinline__ T* row(int r) const {
    return r < rows ? data + static_cast<std::int64_t>(r) * cols : nullptr;
  }
};

/// Brings kRows x kDepth elements of a source into shared memory, in pieces of 16 bytes (kWide) or
/// of one element per thread, the first thread the first piece. begin() starts the loads and
/// finish() ends them: between the two the threads compute, and do not wait for memory.
///
/// `slot(row, depth)` is an element's address in shared memory; kSlotAlongDepth says what is
/// contiguous there. Where that is what is contiguous in the source, 16-byte pieces are copied
/// without passing through registers. Where it is not, the tile is transposed on its way: each
/// 32-byte sector is read by neighbouring lanes, and the lanes of a warp spread over the other
/// axis, whose elements lie in different banks.
template <class Source, int kRows, int kDepth, int kThreads, bool kWide, bool kSlotAlongDepth>
class TileLoader {
 public:
  using T = typename Source::Element;

  __device__ __forceinline__ TileLoader(const Source& source, int first_row, int depth_end)
      : source_(source), first_row_(first_row), depth_end_(depth_end) {
    if constexpr (!kOneByOne) {
      SWITCHYARD_UNROLL
      for (int j = 0; j < kPieces; ++j) row_[j] = source_.row(first_row + place(thread(), j).row);
    }
  }

  template <class Slot>
  __device__ __forceinline__ void begin(int first_depth, const Slot& slot) {
    if constexpr (kOneByOne) {
      SWITCHYARD_UNROLL_BY(4)
      for (int j = 0; j < kPieces; ++j) {
        const Place at = place(thread(), j);
        const T* from = address(source_.row(first_row_ + at.row), first_depth + at.depth);
        *slot(at.row, at.depth) = from == nullptr ? T{} : *from;
      }
    } else {
      SWITCHYARD_UNROLL
      for (int j = 0; j < kPieces; ++j) {
        const Place at = place(thread(), j);
        const T* from = address(row_[j], first_depth + at.depth);
        if constexpr (kDirect) {
          copy_async_16(slot(at.row, at.depth), from);
        } else if constexpr (kWide) {
          staged_[j] = from == nullptr ? Piece{} : load128(from);
        } else {
          staged_[j] = from == nullptr ? Piece{} : Piece{*from};
        }
      }
    }
  }

  template <class Slot>
  __device__ __forceinline__ void finish(const Slot& slot) {
    if constexpr (!kDirect && !kOneByOne) {
      SWITCHYARD_UNROLL
      for (int j = 0; j < kPieces; ++j) {
        const Place at = place(thread(), j);
        SWITCHYARD_UNROLL
        for (int i = 0; i < kWidth; ++i) {
          *slot(at.row + (Source::kAlongDepth ? 0 : i), at.depth + (Source::kAlongDepth ? i : 0)) =
              piece_value(staged_[j], i);
        }
      }
    }
  }

  /// Where in the tile the `j`-th piece of a thread begins.
  struct Place {
    int row;
    int depth;
  };
  static constexpr int kWidth = kWide ? Wide<T>::kCount : 1;  ///< elements of a piece
  static constexpr int kPieces = kRows * kDepth / kWidth / kThreads;
  static_assert(kPieces * kWidth * kThreads == kRows * kDepth);
  static constexpr Place place(int thread, int j) {
    const int piece = thread + j * kThreads;
    const int along = (piece % kRun + piece / (kRun * kAcross) * kRun) * kWidth;
    const int across = piece / kRun % kAcross;
    return Source::kAlongDepth ? Place{across, along} : Place{along, across};
  }
  static constexpr bool kTransposes = Source::kAlongDepth != kSlotAlongDepth;
  static constexpr bool kDirect = kWide && !kTransposes;  ///< pieces do not pass registers

 private:
  struct Single {
    T value;
  };
  using Piece = std::conditional_t<kWide, Wide<T>, Single>;

  // Many single elements (bfloat16 without wide loads) would need more registers than there are:
  // they are moved at once, and the threads wait for them.
  static constexpr bool kOneByOne = !kWide && kPieces > 8;
  // Pieces along what is contiguous in the source, elements along the other axis.
  static constexpr int kAlong = (Source::kAlongDepth ? kDepth : kRows) / kWidth;
  static constexpr int kAcross = Source::kAlongDepth ? kRows : kDepth;
  static constexpr int kSector = 32 / static_cast<int>(sizeof(T)) / kWidth;
  static constexpr int kRun = kTransposes && kSector < kAlong ? kSector : kAlong;

  static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
  __device__ __forceinline__ const T* address(const typename Source::Row& row, int depth) const {
    return depth < depth_end_ ? source_.at(row, depth) : nullptr;
  }
  static __device__ __forceinline__ T piece_value(const Piece& piece, int i) {
    if constexpr (kWide) {
      return piece.value[i];
    } else {
      return piece.value;
    }
  }

  Source source_;
  int first_row_;
  int depth_end_;
  typename Source::Row row_[kOneByOne ? 1 : kPieces];
  Piece staged_[kDirect || kOneByOne ? 1 : kPieces];
};

/// Runs step(buffer) for each kDepth of depth in [begin, end) over two copies of the shared tiles:
/// while one is multiplied the other fills. `slots_a(buffer)` is the slot that TileLoader wants.
/// All threads of the block must call it.
template <int kDepth, class LoaderA, class LoaderB, class SlotsA, class SlotsB, class Step>
__device__ __forceinline__ void double_buffered(LoaderA& a, LoaderB& b, const SlotsA& slots_a,
                                                const SlotsB& slots_b, int begin, int end,
                                                const Step& step) {
  if (begin < end) {
    a.begin(begin, slots_a(0));
    b.begin(begin, slots_b(0));
    a.finish(slots_a(0));
    b.finish(slots_b(0));
  }
  int buffer = 0;
  for (int depth = begin; depth < end; depth += kDepth) {
    copy_async_wait();
    __syncthreads();  // one for both: this buffer is full, and nobody reads the other any more
    const bool more = end - depth > kDepth;
    if (more) {
      a.begin(depth + kDepth, slots_a(1 - buffer));
      b.begin(depth + kDepth, slots_b(1 - buffer));
    }
    step(buffer);
    buffer = 1 - buffer;
    if (more) {
      a.finish(slots_a(buffer));
      b.finish(slots_b(buffer));
    }
  }
}

}  // namespace switchyard::kernels
