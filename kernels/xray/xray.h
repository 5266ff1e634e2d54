#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/dim3.h"
#include "kernels/xray/access_count.h"
#include "kernels/xray/cache.h"
#include "kernels/xray/film.h"
#include "kernels/xray/finding.h"
#include "kernels/xray/kind.h"
#include "kernels/xray/memory.h"
#include "kernels/xray/module.h"
#include "kernels/xray/schedule.h"

// The X-ray: runs CUDA kernels on the host from the PTX that a compiler made of them, and counts
// what each instruction does. docs/design/xray.md says how, and what the counts mean.

namespace switchyard::kernels::xray {

/// What instructions did, summed over a source line or a launch.
struct Tally {
  AccessCounts access;
  std::array<std::uint64_t, kKinds> warps{};  ///< warp instructions of each Kind
  std::uint64_t flops = 0;         ///< executed by active lanes; a fused multiply-add counts 2
  std::uint64_t tensor_flops = 0;  ///< by tensor cores, apart from `flops`
  std::uint64_t atomic_lanes = 0;

  std::uint64_t of(Kind kind) const { return warps[static_cast<std::size_t>(kind)]; }
  Tally& operator+=(const Tally& other);
};

/// The tally of the instructions of one line of the PTX file.
struct PtxTally {
  std::uint32_t line = 0;
  Tally tally;
};

/// The tally of one line of a source file, or of the PTX file where that names no source.
struct LineTally {
  std::string file;  ///< its path as the compiler wrote it
  std::uint32_t line = 0;
  Tally tally;
  std::vector<PtxTally> ptx;  ///< what the compiler made of it, in the order of the PTX file
};

/// What one launch did. The numbers do not depend on the host's threads.
struct LaunchReport {
  std::string kernel;
  LaunchShape shape;
  std::uint64_t threads = 0;
  std::uint64_t warps = 0;
  Tally total;
  std::vector<LineTally> lines;  ///< by file and line
  std::shared_ptr<const Module> module;
  std::optional<FilmOptions> filmed;  ///< LaunchOptions::film
  std::vector<Frame> film;            ///< what that warp did
  Schedule schedule{};                ///< that it ran in
  std::optional<CacheCurve> cache;
  std::vector<Finding> findings;  ///< of a launch that was checked, in the order they came up
};

struct LaunchOptions {
  /// Warp instructions of the whole launch after which a kernel counts as one that never ends.
  std::uint64_t instruction_limit = 10'000'000'000;
  /// Look for whatever breaks a rule (Detector). A launch that is checked reports what it finds
  /// instead of throwing; what leaves no defined way on ends it.
  bool check = false;
  /// Keep accesses of one warp, lane by lane.
  std::optional<FilmOptions> film = std::nullopt;
  std::size_t most_findings = 50;  ///< after so many the launch ends
  Schedule schedule{};
  bool cache = false;  ///< measure the traffic with DRAM (CacheCurve), in the order of `schedule`
  /// Follow indices of 32 bits that wrap around; one that becomes an address is a Fault.
  bool find_wraps = false;
  std::vector<std::uint64_t> blocks{};  ///< run these alone; all if there are none
  /// As a GPU of compute capability 9.0 has it.
  LaunchLimits limits{.dynamic_shared_bytes = std::size_t{227} << 10};
};

struct Program;
class Image;

/// A PTX file that can run: its kernels are decoded when they are first used, its variables lie in
/// a Memory. Safe to use from several threads.
class Code {
 public:
  /// `memory` must outlive this.
  Code(std::shared_ptr<const Module> module, Memory& memory);
  ~Code();

  const Module& module() const { return *module_; }
  /// Bytes of a kernel's parameter buffer. Errors: Error for an unknown kernel.
  std::uint64_t parameter_bytes(std::string_view kernel) const;

  /// Runs a grid to its end and returns what it did. `parameters` is the buffer that the kernel's
  /// parameters are read from, each at its offset (Function::variables).
  ///
  /// Errors, each an Error of one line: an unknown kernel, an instruction that is not supported, a
  /// buffer of another size, a shape over the limits, and, where the launch is not checked,
  /// whatever goes wrong while the kernel runs (a Fault).
  LaunchReport launch(std::string_view kernel, const LaunchShape& shape,
                      std::vector<std::byte> parameters, const LaunchOptions& options = {});

 private:
  const Program& program(std::string_view kernel);

  std::shared_ptr<const Module> module_;
  Memory& memory_;
  std::unique_ptr<Image> image_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Program>, std::less<>> programs_;
};

}  // namespace switchyard::kernels::xray
