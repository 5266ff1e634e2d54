#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/common/dim3.h"
#include "kernels/xray/access_count.h"
#include "kernels/xray/module.h"

namespace switchyard::kernels::xray {

struct Access;
struct Instruction;
struct Program;
struct Warp;

/// What an access does, for counts, messages and films.
enum class Use : std::uint8_t { kLoad, kStore, kAtomic };

/// Which warp is filmed, and how many of its accesses are kept.
struct FilmOptions {
  Dim3 block = {0, 0, 0};  ///< its index in the grid
  std::uint32_t warp = 0;  ///< within the block
  /// Shared out evenly among the kernel's memory instructions, so that a loop at its beginning
  /// leaves room for what comes after it; each instruction keeps its first ones, at least one and
  /// at most kMostFrames.
  std::size_t frames = 600;
};
inline constexpr std::size_t kMostFrames = 64;

/// One access of one warp to global or shared memory, lane by lane.
struct Frame {
  std::uint32_t line = 0;  ///< of the PTX file
  Space space = Space::kGlobal;
  Use use = Use::kLoad;
  std::uint32_t bytes = 0;  ///< of each lane
  std::uint32_t lanes = 0;  ///< a bit for each that takes part
  std::string array;        ///< the allocation or shared variable that the first of them reaches
  std::uint64_t array_bytes = 0;
  /// Bytes from the array's beginning; what lies before it is negative. Allocations begin at
  /// multiples of 32.
  std::array<std::int64_t, 32> offset{};
  std::uint64_t array_begin = 0;  ///< of a shared variable, within the block's shared memory
  AccessCounts counts;            ///< of this access alone
};

/// Keeps the first accesses of one warp. One host thread runs a block, so that nothing is locked.
class Film {
 public:
  /// `program` must outlive this.
  Film(const Program& program, const FilmOptions& options);

  const FilmOptions& options() const { return options_; }
  /// Notes an access to global or shared memory, unless its instruction has had its share.
  void add(const Warp& warp, const Instruction& in, Space space, Use use, std::uint32_t bytes,
           std::uint32_t lanes, const Access& access);
  /// In the order in which they happened.
  const std::vector<Frame>& frames() const { return frames_; }

 private:
  const Program& program_;
  FilmOptions options_;
  std::size_t share_;                ///< frames of one instruction
  std::vector<std::size_t> filmed_;  ///< frames so far, by instruction
  std::vector<Frame> frames_;
};

}  // namespace switchyard::kernels::xray
