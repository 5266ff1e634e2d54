#include "kernels/api/route.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/api/provide.h"
#include "kernels/common/route_separate.h"
#include "kernels/common/sizes.h"
#include "kernels/cpu/gate_rows.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {

extern template Ladder<Cpu, Gate<float>> ladder();
extern template Ladder<Cpu, Gate<double>> ladder();
extern template Ladder<Cpu, SegmentOffsets> ladder();
extern template Ladder<Cpu, SortAssignments> ladder();

namespace {

/// Tokens whose counts are kept together: enough that the counters are little beside the logits.
std::int64_t tokens_per_chunk(std::int64_t experts, std::int64_t k) {
  return std::max<std::int64_t>(64, rows_per_thread(experts * k));
}

/// Turns each chunk's counts [chunks][experts] into its first slots, and writes the offsets.
void add_up(std::vector<int>& counts, std::int64_t chunks, std::int64_t experts,
            std::int64_t* offsets) {
  int slot = 0;
  for (std::int64_t e = 0; e < experts; ++e) {
    offsets[e] = slot;
    for (std::int64_t c = 0; c < chunks; ++c) {
      int& entry = counts[static_cast<std::size_t>(c * experts + e)];
      const int count = entry;
      entry = slot;
      slot += count;
    }
  }
  offsets[experts] = slot;
}

// route_fused_threads
//   1. threads take chunks of tokens: the gate of each token, and one count for each choice while
//      it is at hand;
//   2. one thread turns the chunks' counts, 32 bits each, into the chunks' first slots;
//   3. threads take the chunks again and give the assignments their slots.
// The counts are in token order whatever thread counted, so the slots are those of a stable sort.
// It reads the indices once more instead of twice, and both walks run on all threads.
template <class T>
void route_fused_threads(Cpu&, const Route<T>& a) {
  const Gate<T>& gate = a.gate;
  checked_extent("route_fused_threads", "tokens * k", {gate.tokens, gate.k});
  const GateLogits<T> values(gate);
  const std::int64_t chunk = tokens_per_chunk(gate.experts, gate.k);
  const std::int64_t chunks = (gate.tokens + chunk - 1) / chunk;
  std::vector<int> counts(static_cast<std::size_t>(chunks * gate.experts), 0);
  LowestRow bad;
  parallel_chunks(gate.tokens, chunk, [&](auto c, auto begin, auto end) {
    gate_tokens(gate, values, begin, end, bad);
    int* const mine = counts.data() + c * gate.experts;
    for (std::int64_t i = begin * gate.k; i < end * gate.k; ++i) ++mine[gate.indices[i]];
  });
  add_up(counts, chunks, gate.experts, a.offsets);
  parallel_chunks(gate.tokens, chunk, [&](auto c, auto begin, auto end) {
    int* const next = counts.data() + c * gate.experts;
    for (std::int64_t i = begin * gate.k; i < end * gate.k; ++i) {
      const int slot = next[gate.indices[i]]++;
      a.permutation[slot] = i;
      a.inverse[i] = slot;
    }
  });
  report(gate.bad_row, bad.row());
}

}  // namespace

template <class T>
constexpr auto kRungs<Cpu, Route<T>> =
    std::to_array<Rung<Cpu, Route<T>>>({{"route_separate_kernels", route_separate_kernels<Cpu, T>},
                                        {"route_fused_threads", route_fused_threads<T>}});

template struct Provides<Cpu, Route<float>, Route<double>>;

}  // namespace switchyard::kernels
