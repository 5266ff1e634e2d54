#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace switchyard::kernels::simt {

/// The copies from global to shared memory that one CUDA thread has started and not waited for
/// (PTX ISA, "cp.async"). What a copy writes is there when the thread has waited for its group and
/// not before: until then it reads as NaN, so that a wait for too few groups shows.
class AsyncCopies {
 public:
  static constexpr std::size_t kBytes = 16;  ///< of each copy

  /// Starts a copy; zeros where `from` is null.
  void start(void* to, const void* from) {
    std::memset(to, 0xFF, kBytes);
    copies_.push_back({to, from, closed_});
  }
  /// Makes a group of the copies since the last one, which may be none.
  void close_group() { ++closed_; }
  /// Finishes every closed group but the `newest` ones.
  void finish_but(unsigned newest) {
    if (closed_ > newest) finish_before(closed_ - newest);
  }
  /// Finishes all copies, those of no group too.
  void finish() { finish_before(closed_ + 1); }
  /// Leaves none for the next block.
  void forget() {
    copies_.clear();
    closed_ = 0;
  }

 private:
  struct Copy {
    void* to;
    const void* from;
    unsigned group;
  };

  void finish_before(unsigned group) {
    std::size_t done = 0;
    while (done < copies_.size() && copies_[done].group < group) {
      const Copy& copy = copies_[done++];
      if (copy.from == nullptr) {
        std::memset(copy.to, 0, kBytes);
      } else {
        std::memcpy(copy.to, copy.from, kBytes);
      }
    }
    copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(done));
  }

  std::vector<Copy> copies_;
  unsigned closed_ = 0;
};

/// Those of the CUDA thread that is running on this host thread.
AsyncCopies& async_copies();

}  // namespace switchyard::kernels::simt
