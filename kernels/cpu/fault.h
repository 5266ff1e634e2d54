#pragma once

#include <algorithm>
#include <atomic>

#include "kernels/api/fault.h"

namespace switchyard::kernels {

/// Reports `row`, or nothing where it is kNoFault or -1. From one thread.
inline void report(const FaultReport& fault, LowestNumber row) {
  if (fault.word == nullptr || row == kNoFault) return;
  *fault.word = std::min(*fault.word, fault.entry(static_cast<std::int64_t>(row)));
}

/// The lowest row that threads have met so far, kNoFault at first.
class LowestRow {
 public:
  void meet(std::int64_t row) {
    const auto value = static_cast<LowestNumber>(row);
    LowestNumber seen = lowest_.load();
    while (value < seen && !lowest_.compare_exchange_weak(seen, value)) {
    }
  }
  LowestNumber row() const { return lowest_.load(); }

 private:
  std::atomic<LowestNumber> lowest_{kNoFault};
};

/// Returns whether something was reported before this call.
inline bool is_faulty(const LowestNumber* word) { return word != nullptr && *word != kNoFault; }

}  // namespace switchyard::kernels
