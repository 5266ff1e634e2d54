#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/api/device.h"
#include "kernels/api/kernel.h"

// Measures at the door (run.h) what the kernels of a program cost. Where it is off, a call pays one
// load.

namespace switchyard::kernels {

/// Adds up what one rung cost over its calls.
struct ProfileRow {
  std::string device, kernel, rung;
  std::uint64_t calls = 0;
  std::uint64_t launches = 0;  ///< grids launched; 0 on the cpu
  double seconds = 0.0;        ///< without the kernels that it called itself
  Work work = {};              ///< what the calls could not avoid
};

/// Holds one call on a timeline.
struct ProfileEvent {
  std::size_t row = 0;   ///< index into Profile::rows
  double begin = 0.0;    ///< seconds since start_profile()
  double seconds = 0.0;  ///< with the kernels that it called itself
  Work work = {};
};

struct Profile {
  double seconds = 0.0;              ///< between start_profile() and now
  std::vector<ProfileRow> rows;      ///< the costliest first
  std::vector<ProfileEvent> events;  ///< in the order in which the calls ended, if asked for
  std::uint64_t events_dropped = 0;  ///< calls behind the most that are kept
};

/// Begins to measure, from zero. Each call is then waited for, so that its time is its own: on a
/// GPU a profiled program waits more than an unprofiled one.
void start_profile(bool keep_events);
void stop_profile();
Profile profile();

namespace internal {

extern std::atomic<bool> profiling;

/// A call that runs: who called it, and how long the kernels took that it called itself.
struct OpenCall {
  OpenCall* caller = nullptr;
  double inner_seconds = 0.0;
  std::chrono::steady_clock::time_point begin;
};
void begin_call(OpenCall& call);
void end_call(OpenCall& call, std::string_view device, std::string_view kernel,
              std::string_view rung, const Work& work, std::uint64_t launches);

}  // namespace internal

/// Within its scope a call of a kernel is named for the device's profiler and measured if
/// start_profile() asked for it.
template <class Exec, class Op>
class ProfiledCall {
 public:
  ProfiledCall(Exec& exec, std::string_view rung, const Op& arguments)
      : exec_(exec), arguments_(arguments), rung_(rung) {
    begin_range(exec, Op::kName);
    if (!measured_) return;
    synchronise(exec);
    launches_ = launch_count(exec);
    internal::begin_call(call_);
  }
  ~ProfiledCall() {
    if (measured_) end();
    end_range(exec_);
  }
  ProfiledCall(const ProfiledCall&) = delete;
  ProfiledCall& operator=(const ProfiledCall&) = delete;

 private:
  void end() noexcept {
    try {
      synchronise(exec_);
    } catch (...) {  // the next wait reports it
    }
    internal::end_call(call_, kDeviceName<Exec>, Op::kName, rung_, arguments_.work(),
                       launch_count(exec_) - launches_);
  }

  Exec& exec_;
  const Op& arguments_;
  std::string_view rung_;
  bool measured_ = internal::profiling.load(std::memory_order_relaxed);
  std::uint64_t launches_ = 0;
  internal::OpenCall call_;
};

}  // namespace switchyard::kernels
