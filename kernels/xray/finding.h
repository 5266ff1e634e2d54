#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/common/dim3.h"

namespace switchyard::kernels::xray {

/// Which rule a kernel broke.
enum class Detector : std::uint8_t {
  kOutOfBounds,       ///< an access outside of every allocation, or of its memory space
  kFreed,             ///< an access to memory that was freed
  kMisaligned,        ///< an address that is no multiple of the access's size
  kOtherArray,        ///< from one shared array into another one
  kUninitialised,     ///< a value that was never written is used
  kRace,              ///< two threads of a block, no barrier between them
  kBlockRace,         ///< two blocks, nothing that orders them
  kDivergentBarrier,  ///< a bar.sync that only part of a warp reaches
  kMask,              ///< masks of a collective that do not name the same lanes
  kLaneLeft,          ///< a value is used that came from a lane that takes no part
  kAsyncCopy,         ///< cp.async that was not waited for
  kWrap,              ///< an address that comes from a 32-bit index that wrapped around
  kResult,            ///< a result that the kernel never wrote
  kOrder,             ///< a result that depends on the order of threads
  kStop,              ///< trap, a failed assertion, an operand that no GPU takes
  kNoProgress         ///< a deadlock, or the limit of instructions
};
/// Returns the name that JSON shows, such as "out_of_bounds".
const char* name(Detector detector);

/// One of the two sides of a finding.
struct Party {
  Dim3 block;
  Dim3 thread;
  std::string place;  ///< "softmax.cu:31 (softmax.ptx:55)"
};

/// What a kernel did wrong, and where.
struct Finding {
  Detector detector = Detector::kStop;
  std::string kernel;
  Party at;
  std::string file;         ///< of the source, or the PTX file where the source is unknown
  std::uint32_t line = 0;   ///< in `file`
  std::string array;        ///< what was accessed; "" where it has no name
  std::uint64_t byte = 0;   ///< offset in `array`
  std::uint64_t index = 0;  ///< in `array`, in elements of the access's size
  std::string what;
  std::optional<Party> other;
  std::uint64_t times = 1;  ///< at this place, this one included
};
/// One line: "KERNEL: block (x, y, z), thread (x, y, z), PLACE: what".
std::string text(const Finding& finding);

/// Ends a launch: what the kernel did has no defined sequel, or nobody collects findings.
class Fault : public Error {
 public:
  explicit Fault(Finding finding) : Error(text(finding)), finding_(std::move(finding)) {}
  const Finding& finding() const { return finding_; }

 private:
  Finding finding_;
};

/// The findings of one launch: each once per detector and pair of instructions, in the order in
/// which they came up. Not safe for several threads.
class Findings {
 public:
  /// Thrown by add() once there are enough.
  struct Enough {};

  explicit Findings(std::size_t most) : most_(most) {}
  /// Whether such a finding is known already; it then counts one more.
  bool is_known(Detector detector, std::uint32_t pc, std::uint32_t other_pc);
  void add(Finding finding, std::uint32_t pc, std::uint32_t other_pc);
  std::vector<Finding> take() { return std::move(all_); }
  std::size_t size() const { return all_.size(); }

 private:
  std::size_t most_;
  std::vector<Finding> all_;
  std::map<std::tuple<Detector, std::uint32_t, std::uint32_t>, std::size_t> known_;
};

}  // namespace switchyard::kernels::xray
