#pragma once

// Defines what CUDA's keywords and built-in functions mean when a .cu file is compiled by the host
// compiler. Only kernels/common/cuda.h includes this. Every barrier, collective and atomic passes
// its source line on.

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/simt/run_grid.h"

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
// One block runs on one host thread at a time, so its shared memory is that thread's.
#define __shared__ thread_local
#define __align__(bytes) alignas(bytes)

#define threadIdx (::switchyard::kernels::simt::current_thread->thread)
#define blockIdx (::switchyard::kernels::simt::current_block.block)
#define blockDim (::switchyard::kernels::simt::current_block.block_extent)
#define gridDim (::switchyard::kernels::simt::current_block.grid_extent)

extern thread_local unsigned char
    switchyard_dynamic_shared[switchyard::kernels::simt::kDynamicSharedBytes];

namespace switchyard::kernels::simt {

/// One value per lane goes in, one per lane comes out.
template <class In, class Out>
struct Exchange {
  In in;
  Out out;
};

/// Runs `combine(in[32], mask, out[32])` over the lanes of `mask`, once they are all there.
template <class In, class Out, class Body>
Out exchange(unsigned mask, In value, Body, Location location) {
  Exchange<In, Out> mine{value, Out{}};
  collective(
      mask,
      [](void* const* payload, unsigned participants) {
        In in[kWarpSize] = {};
        for (unsigned rest = participants; rest != 0; rest &= rest - 1) {
          const int lane = std::countr_zero(rest);
          in[lane] = static_cast<Exchange<In, Out>*>(payload[lane])->in;
        }
        for (unsigned rest = participants; rest != 0; rest &= rest - 1) {
          const int lane = std::countr_zero(rest);
          static_cast<Exchange<In, Out>*>(payload[lane])->out =
              Body{}(in, participants, static_cast<unsigned>(lane));
        }
      },
      &mine, location);
  return mine.out;
}

/// A shuffle's operand with the lane it wants to read.
template <class T>
struct ShuffleRequest {
  T value;
  unsigned source;
};

template <class T>
T shuffle(unsigned mask, T value, unsigned source, Location location) {
  static_assert(std::is_trivially_copyable_v<T>);
  struct Read {
    T operator()(const ShuffleRequest<T>* in, unsigned participants, unsigned lane) const {
      const unsigned from = in[lane].source;
      // Reading a lane that does not take part is undefined on a GPU; here it keeps its own value's
      // bits out of the result so that tests notice.
      if ((participants >> from & 1U) != 0) return in[from].value;
      T poison;
      std::memset(&poison, 0xFF, sizeof(T));
      return poison;
    }
  };
  return exchange<ShuffleRequest<T>, T>(mask, {value, source}, Read{}, location);
}

inline unsigned lane_index() { return current_thread->lane; }

template <class T, class Update>
T atomic_update(T* address, Update update, Location location) {
  atomic_pause(location);
  std::atomic_ref<T> cell(*address);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, update(old), std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace switchyard::kernels::simt

using SwitchyardLocation = switchyard::kernels::simt::Location;

// ---- barriers

inline void __syncthreads(SwitchyardLocation at = SwitchyardLocation::current()) {
  switchyard::kernels::simt::barrier(false, at);
}
inline int __syncthreads_count(int predicate,
                               SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::barrier(predicate != 0, at).count;
}
inline int __syncthreads_and(int predicate, SwitchyardLocation at = SwitchyardLocation::current()) {
  const auto vote = switchyard::kernels::simt::barrier(predicate != 0, at);
  return vote.count == vote.threads ? 1 : 0;
}
inline int __syncthreads_or(int predicate, SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::barrier(predicate != 0, at).count != 0 ? 1 : 0;
}
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { std::atomic_thread_fence(std::memory_order_seq_cst); }

// ---- warp collectives

inline constexpr int warpSize = switchyard::kernels::simt::kWarpSize;

inline void __syncwarp(unsigned mask = 0xFFFFFFFFU,
                       SwitchyardLocation at = SwitchyardLocation::current()) {
  struct Nothing {
    char operator()(const char*, unsigned, unsigned) const { return 0; }
  };
  switchyard::kernels::simt::exchange<char, char>(mask, 0, Nothing{}, at);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              SwitchyardLocation at = SwitchyardLocation::current()) {
  const auto lane = static_cast<int>(switchyard::kernels::simt::lane_index());
  const int base = lane & ~(width - 1);
  return switchyard::kernels::simt::shuffle(
      mask, value, static_cast<unsigned>(base + (source & (width - 1))), at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 SwitchyardLocation at = SwitchyardLocation::current()) {
  const auto lane = static_cast<int>(switchyard::kernels::simt::lane_index());
  const int source = lane - static_cast<int>(delta);
  const bool inside = source >= (lane & ~(width - 1));
  return switchyard::kernels::simt::shuffle(mask, value,
                                            static_cast<unsigned>(inside ? source : lane), at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   SwitchyardLocation at = SwitchyardLocation::current()) {
  const auto lane = static_cast<int>(switchyard::kernels::simt::lane_index());
  const int source = lane + static_cast<int>(delta);
  const bool inside = source < (lane & ~(width - 1)) + width;
  return switchyard::kernels::simt::shuffle(mask, value,
                                            static_cast<unsigned>(inside ? source : lane), at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  SwitchyardLocation at = SwitchyardLocation::current()) {
  const auto lane = static_cast<int>(switchyard::kernels::simt::lane_index());
  const int source = lane ^ lane_mask;
  const bool inside = source < (lane & ~(width - 1)) + width;
  return switchyard::kernels::simt::shuffle(mask, value,
                                            static_cast<unsigned>(inside ? source : lane), at);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              SwitchyardLocation at = SwitchyardLocation::current()) {
  struct Ballot {
    unsigned operator()(const int* in, unsigned participants, unsigned) const {
      unsigned votes = 0;
      for (unsigned rest = participants; rest != 0; rest &= rest - 1) {
        const int lane = std::countr_zero(rest);
        if (in[lane] != 0) votes |= 1U << lane;
      }
      return votes;
    }
  };
  return switchyard::kernels::simt::exchange<int, unsigned>(mask, predicate, Ballot{}, at);
}
inline int __any_sync(unsigned mask, int predicate,
                      SwitchyardLocation at = SwitchyardLocation::current()) {
  return __ballot_sync(mask, predicate, at) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      SwitchyardLocation at = SwitchyardLocation::current()) {
  return __ballot_sync(mask, predicate, at) == mask ? 1 : 0;
}
inline unsigned __activemask() { return switchyard::kernels::simt::active_lanes(); }

template <class T>
unsigned __match_any_sync(unsigned mask, T value,
                          SwitchyardLocation at = SwitchyardLocation::current()) {
  struct Match {
    unsigned operator()(const T* in, unsigned participants, unsigned lane) const {
      unsigned same = 0;
      for (unsigned rest = participants; rest != 0; rest &= rest - 1) {
        const int other = std::countr_zero(rest);
        if (in[other] == in[lane]) same |= 1U << other;
      }
      return same;
    }
  };
  return switchyard::kernels::simt::exchange<T, unsigned>(mask, value, Match{}, at);
}

namespace switchyard::kernels::simt {

/// Folds the participants' values, lowest lane first; everyone gets the result.
template <class T, class Fold>
T reduce(unsigned mask, T value, Fold, Location at) {
  struct All {
    T operator()(const T* in, unsigned participants, unsigned) const {
      T total = in[std::countr_zero(participants)];
      for (unsigned rest = participants & (participants - 1); rest != 0; rest &= rest - 1) {
        total = Fold{}(total, in[std::countr_zero(rest)]);
      }
      return total;
    }
  };
  return exchange<T, T>(mask, value, All{}, at);
}

struct FoldAdd {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a + b);
  }
};
struct FoldMin {
  template <class T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct FoldMax {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

}  // namespace switchyard::kernels::simt

template <class T>
T __reduce_add_sync(unsigned mask, T value, SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::reduce(mask, value, switchyard::kernels::simt::FoldAdd{}, at);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::reduce(mask, value, switchyard::kernels::simt::FoldMin{}, at);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::reduce(mask, value, switchyard::kernels::simt::FoldMax{}, at);
}

// ---- atomics (each returns the old value)

template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value,
            SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::atomic_update(
      address, [value](T old) { return static_cast<T>(old + value); }, at);
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value,
            SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::atomic_update(
      address, [value](T old) { return old < value ? value : old; }, at);
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value,
            SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::atomic_update(
      address, [value](T old) { return value < old ? value : old; }, at);
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value,
             SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::atomic_update(
      address, [value](T) { return value; }, at);
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value,
            SwitchyardLocation at = SwitchyardLocation::current()) {
  return switchyard::kernels::simt::atomic_update(
      address, [=](T old) { return old == expected ? value : old; }, at);
}

// ---- bits

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }

template <class T>
T __ldg(const T* address) {
  return *address;
}
