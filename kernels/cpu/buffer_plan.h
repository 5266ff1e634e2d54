#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace switchyard::kernels {

/// Hands out numbered buffers to values that live for a while, so that later values reuse the
/// memory of dead ones. The sizes are known when all values have been planned.
class BufferPlan {
 public:
  /// A free buffer: the smallest that is large enough, else the largest, which then grows, else a
  /// new one.
  int take(std::size_t bytes) {
    int best = -1;
    for (int i = 0; i < static_cast<int>(sizes_.size()); ++i) {
      if (free_[index(i)] && (best < 0 || fits_better(i, best, bytes))) best = i;
    }
    if (best < 0) {
      best = static_cast<int>(sizes_.size());
      sizes_.push_back(bytes);
      free_.push_back(false);
    }
    sizes_[index(best)] = std::max(sizes_[index(best)], bytes);
    free_[index(best)] = false;
    return best;
  }
  void give_back(int buffer) { free_[index(buffer)] = true; }

  const std::vector<std::size_t>& sizes() const { return sizes_; }

 private:
  static std::size_t index(int buffer) { return static_cast<std::size_t>(buffer); }
  bool fits_better(int a, int b, std::size_t bytes) const {
    const std::size_t size_a = sizes_[index(a)];
    const std::size_t size_b = sizes_[index(b)];
    if (size_a >= bytes && size_b >= bytes) return size_a < size_b;
    return size_a > size_b;
  }

  std::vector<std::size_t> sizes_;
  std::vector<bool> free_;
};

}  // namespace switchyard::kernels
