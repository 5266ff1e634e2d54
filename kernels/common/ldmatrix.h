#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/common/cuda.h"

// One instruction brings four 8x8 matrices of 16-bit elements from shared memory into a warp's
// registers (PTX ISA, "ldmatrix"; compute capability 7.5). Each row is 16 bytes, wherever it lies:
// the reads of a matrix meet every bank once as long as its 8 rows do. What a lane then holds is
// what tensor cores want of it. Matrices of 32-bit elements have 8 rows of 4, each of which counts
// as two elements here.

namespace switchyard::kernels {

/// Lane l gives the address of row l % 8 of matrix l / 8, 16-byte aligned, and gets of each matrix
/// m elements (l / 4, 2 (l % 4)) and (l / 4, 2 (l % 4) + 1) in words[m], the first one in the lower
/// half; with kTransposed elements (2 (l % 4), l / 4) and (2 (l % 4) + 1, l / 4). All 32 lanes must
/// call it together.
template <bool kTransposed>
__device__ __forceinline__ void load_matrices(std::uint32_t (&words)[4], const void* row
#ifndef __CUDACC__
                                              ,
                                              SwitchyardLocation at = SwitchyardLocation::current()
#endif
) {
#ifdef __CUDACC__
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(address)
                 : "memory");
  }
#else
  struct Lane {
    std::uint32_t* words;
    const void* row;
  };
  Lane mine{words, row};
  simt::collective(
      0xFFFFFFFFU,
      [](void* const* lanes, unsigned) {
        std::uint16_t element[32][8];  // row l % 8 of matrix l / 8
        for (int l = 0; l < 32; ++l) {
          std::memcpy(element[l], static_cast<const Lane*>(lanes[l])->row, 16);
        }
        for (int l = 0; l < 32; ++l) {
          for (int m = 0; m < 4; ++m) {
            const auto half = [&](int i) -> std::uint32_t {
              const int along = l % 4 * 2 + i;
              return kTransposed ? element[m * 8 + along][l / 4] : element[m * 8 + l / 4][along];
            };
            static_cast<const Lane*>(lanes[l])->words[m] = half(0) | half(1) << 16;
          }
        }
      },
      &mine, at);
#endif
}

/// Reads 32 bits of shared memory, in the place that the program gives it: where the compiler may
/// bring all reads of a step forward, the fragments of a large tile do not fit the registers.
template <class T>
__device__ __forceinline__ std::uint32_t load_word(const T* word) {
  static_assert(sizeof(T) == 4);
#ifdef __CUDACC__
  std::uint32_t bits;
  asm volatile("ld.shared.b32 %0, [%1];"
               : "=r"(bits)
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(word)))
               : "memory");
  return bits;
#else
  std::uint32_t bits = 0;
  std::memcpy(&bits, word, sizeof bits);
  return bits;
#endif
}

}  // namespace switchyard::kernels
