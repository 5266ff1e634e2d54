#pragma once

#include "kernels/common/divider.h"
#include "kernels/cuda/matrix_tile.cuh"

// Operands whose rows are tokens, read where the tokens lie: the loads of a product go through the
// permutation, and nobody writes the rows down in the order of the slots.

namespace switchyard::kernels {

/// Finds the token of a slot: permutation[slot] / k. Assignments have 32 bits.
struct SlotTokens {
  const std::int64_t* permutation;  // [S]: slot -> token · k + choice
  Divider k;

  __device__ int assignment(int slot) const { return static_cast<int>(permutation[slot]); }
  __device__ int token(int slot) const { return k.quotient(assignment(slot)); }
};

/// The slots before `end` as rows of a product, summed over the tokens' columns. A thread looks its
/// rows up once, before it walks along them.
template <class T>
struct GatheredRows {
  using Element = T;
  static constexpr bool kAlongDepth = true;
  const T* data;  // [tokens, stride]
  SlotTokens tokens;
  int end;
  std::int64_t stride;

  struct Row {
    int token;  // < 0: none
  };
  __device__ __forceinline__ Row row(int slot) const {
    return {slot < end ? tokens.token(slot) : -1};
  }
  __device__ __forceinline__ const T* at(const Row& row, int depth) const {
    return row.token < 0 ? nullptr : data + row.token * stride + depth;
  }
};

/// The tokens' columns as rows of a product, summed over slots. The tokens of the slots from
/// `first` on are read from shared memory: a load waits for one latency, not for two.
template <class T>
struct GatheredColumns {
  using Element = T;
  static constexpr bool kAlongDepth = false;
  const T* data;  // [tokens, cols]
  const int* tokens;
  int first;
  int cols;

  struct Row {
    int index;
  };
  __device__ __forceinline__ Row row(int col) const { return {col}; }
  __device__ __forceinline__ const T* at(const Row& row, int slot) const {
    if (row.index >= cols) return nullptr;
    return data + std::int64_t{tokens[slot - first]} * cols + row.index;
  }
};

}  // namespace switchyard::kernels
