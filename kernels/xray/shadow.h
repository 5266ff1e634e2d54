#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

// What the checker remembers of each byte of memory: who touched it last, and whether it was ever
// written.

namespace switchyard::kernels::xray {

/// An access that is remembered.
struct Event {
  std::uint32_t block = 0;     ///< number in the grid, lower 32 bits
  std::uint32_t clock = 0;     ///< of its warp
  std::uint32_t sync = 0;      ///< bar.warp.sync and barriers of its warp so far
  std::uint32_t pc = 0;        ///< of the instruction
  std::uint32_t executed = 0;  ///< the block's clock, which tells one execution from the next
  std::uint16_t thread = 0;    ///< from 1; 0: no access
  bool is_strong = false;      ///< an atomic, or an access that counts as one

  bool is_there() const { return thread != 0; }
  std::uint32_t warp() const { return (thread - 1U) / 32; }
};

/// The accesses of one byte, or of a word whose bytes were all accessed alike.
struct Cell {
  Event write;
  Event reads[2];  ///< the last one, and the last one of another warp than that

  bool is_untouched() const { return !write.is_there() && !reads[0].is_there(); }
};

/// Cells for a range of memory. A word has one cell until something narrower touches it, which
/// makes most accesses four times cheaper.
class Shadow {
 public:
  explicit Shadow(std::size_t bytes) : words_((bytes + 3) / 4), split_(words_.size()) {}

  void clear() {
    words_.assign(words_.size(), {});
    split_.assign(split_.size(), 0);
    bytes_.clear();
  }
  /// Calls body(cell, address) for the cells of [address, address + bytes).
  template <class Body>
  void for_cells(std::uint64_t address, std::uint32_t bytes, const Body& body) {
    for (std::uint64_t at = address; at < address + bytes;) {
      const std::uint64_t word = at / 4;
      if (split_[word] == 0) {
        if (bytes >= 4) {
          body(words_[word], word * 4);
          at = word * 4 + 4;
          continue;
        }
        const Cell& whole = words_[word];
        bytes_.push_back({whole, whole, whole, whole});
        split_[word] = static_cast<std::uint32_t>(bytes_.size());
      }
      body(bytes_[split_[word] - 1][at % 4], at);
      ++at;
    }
  }
  /// The cell of an aligned word; null if its bytes have cells of their own.
  Cell* whole_word(std::uint64_t address) {
    return split_[address / 4] == 0 ? &words_[address / 4] : nullptr;
  }
  /// Calls body(cell, i) for the i-th word of a range of words if each has one cell. Returns
  /// whether that is so.
  template <class Body>
  bool for_whole_words(std::uint64_t address, std::uint32_t bytes, const Body& body) {
    const std::uint64_t first = address / 4;
    const std::uint32_t count = bytes / 4;
    std::uint32_t any_split = address % 4 == 0 && bytes % 4 == 0 ? 0 : 1;
    for (std::uint32_t i = 0; i < count; ++i) any_split |= split_[first + i];
    if (any_split != 0) return false;
    for (std::uint32_t i = 0; i < count; ++i) body(words_[first + i], i);
    return true;
  }

 private:
  std::vector<Cell> words_;
  std::vector<std::uint32_t> split_;  ///< 1 + index into bytes_; 0: the word has one cell
  std::vector<std::array<Cell, 4>> bytes_;
};

/// Cells for any address of global memory, made a page at a time where they are needed.
class SparseShadow {
 public:
  template <class Body>
  void for_cells(std::uint64_t address, std::uint32_t bytes, const Body& body) {
    // An access is aligned to its size, so that it lies in one page.
    page(address / kPageBytes).for_cells(address % kPageBytes, bytes, [&](Cell& cell, auto at) {
      body(cell, address / kPageBytes * kPageBytes + at);
    });
  }
  Cell* whole_word(std::uint64_t address) {
    return page(address / kPageBytes).whole_word(address % kPageBytes);
  }
  /// As Shadow's; also false where the range lies in two pages.
  template <class Body>
  bool for_whole_words(std::uint64_t address, std::uint32_t bytes, const Body& body) {
    const std::uint64_t at = address % kPageBytes;
    return at + bytes <= kPageBytes && page(address / kPageBytes).for_whole_words(at, bytes, body);
  }

 private:
  static constexpr std::uint64_t kPageBytes = 2048;

  Shadow& page(std::uint64_t number) {
    if (number == last_number_) return *last_;
    std::unique_ptr<Shadow>& found = pages_[number];
    if (!found) found = std::make_unique<Shadow>(kPageBytes);
    last_number_ = number;
    last_ = found.get();
    return *last_;
  }

  std::unordered_map<std::uint64_t, std::unique_ptr<Shadow>> pages_;
  std::uint64_t last_number_ = ~std::uint64_t{0};
  Shadow* last_ = nullptr;
};

/// A bit for each byte of a range: whether it was written.
class WrittenMap {
 public:
  explicit WrittenMap(std::size_t bytes) : bytes_(bytes), words_((bytes + 63) / 64) {}

  std::size_t bytes() const { return bytes_; }
  void clear() { words_.assign(words_.size(), 0); }
  /// Whether any byte of an aligned access of at most 32 bytes was written.
  bool any(std::uint64_t at, std::uint32_t count) const {
    return (words_[at / 64] >> at % 64 & mask(count)) != 0;
  }
  bool is_written(std::uint64_t at) const { return any(at, 1); }
  /// Whether all bytes of an aligned access of at most 32 bytes were written.
  bool all_of_access(std::uint64_t at, std::uint32_t count) const {
    return (~words_[at / 64] >> at % 64 & mask(count)) == 0;
  }
  /// Whether all bytes of a range within the map were written.
  bool all(std::uint64_t at, std::uint64_t count) const {
    bool written = true;
    for_range(at, count, [&](std::uint64_t word, std::uint64_t bits) {
      written = written && (words_[word] & bits) == bits;
    });
    return written;
  }
  void set(std::uint64_t at, std::uint32_t count, bool written) {
    const std::uint64_t bits = mask(count) << at % 64;
    words_[at / 64] = written ? words_[at / 64] | bits : words_[at / 64] & ~bits;
  }
  /// For a range of any size and place, within the map.
  void set_range(std::uint64_t at, std::uint64_t count, bool written) {
    for_range(at, count, [&](std::uint64_t word, std::uint64_t bits) {
      words_[word] = written ? words_[word] | bits : words_[word] & ~bits;
    });
  }

 private:
  static std::uint64_t mask(std::uint32_t count) { return (std::uint64_t{1} << count) - 1; }
  /// Calls body(word, bits) for the words that hold the bits of a range.
  template <class Body>
  static void for_range(std::uint64_t at, std::uint64_t count, const Body& body) {
    for (const std::uint64_t end = at + count; at < end;) {
      const std::uint64_t taken = std::min<std::uint64_t>(64 - at % 64, end - at);
      body(at / 64, (~std::uint64_t{0} >> (64 - taken)) << at % 64);
      at += taken;
    }
  }

  std::size_t bytes_;
  std::vector<std::uint64_t> words_;
};

}  // namespace switchyard::kernels::xray
