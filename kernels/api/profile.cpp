#include "kernels/api/profile.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>
#include <tuple>

#include "kernels/api/profiled_calls.h"

namespace switchyard::kernels {
namespace {

using Clock = std::chrono::steady_clock;

/// These take about 100 MB.
constexpr std::size_t kMostEvents = 1'000'000;

struct State {
  std::mutex mutex;
  Clock::time_point start = Clock::now();
  bool keep_events = false;
  Profile collected;
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> row_of;
};

State& state() {
  static State* const made = new State;  // kernels may run while the process ends
  return *made;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

thread_local internal::OpenCall* innermost = nullptr;

}  // namespace

namespace internal {

std::atomic<bool> profiling = false;

void begin_call(OpenCall& call) {
  call.caller = innermost;
  innermost = &call;
  call.begin = Clock::now();
}

void end_call(OpenCall& call, std::string_view device, std::string_view kernel,
              std::string_view rung, const Work& work, std::uint64_t launches) {
  const double seconds = seconds_since(call.begin);
  innermost = call.caller;
  if (call.caller != nullptr) call.caller->inner_seconds += seconds;

  State& s = state();
  const std::lock_guard lock(s.mutex);
  Profile& all = s.collected;
  const auto [found, is_new] = s.row_of.try_emplace(
      {std::string(device), std::string(kernel), std::string(rung)}, all.rows.size());
  if (is_new) {
    all.rows.push_back(
        {.device = std::string(device), .kernel = std::string(kernel), .rung = std::string(rung)});
  }
  ProfileRow& row = all.rows[found->second];
  ++row.calls;
  row.launches += launches;
  row.seconds += seconds - call.inner_seconds;
  row.work.bytes += work.bytes;
  row.work.flops += work.flops;
  if (!s.keep_events) return;
  if (all.events.size() >= kMostEvents) {
    ++all.events_dropped;
    return;
  }
  all.events.push_back({.row = found->second,
                        .begin = std::chrono::duration<double>(call.begin - s.start).count(),
                        .seconds = seconds,
                        .work = work});
}

}  // namespace internal

void start_profile(bool keep_events) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.start = Clock::now();
  s.keep_events = keep_events;
  s.collected = {};
  s.row_of.clear();
  internal::profiling = true;
}

void stop_profile() { internal::profiling = false; }

std::uint64_t profiled_calls() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return s.collected.events.size() + s.collected.events_dropped;
}

Profile profile() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  Profile sorted = s.collected;
  sorted.seconds = seconds_since(s.start);
  std::vector<std::size_t> order(sorted.rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return s.collected.rows[a].seconds > s.collected.rows[b].seconds;
  });
  std::vector<std::size_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sorted.rows[i] = s.collected.rows[order[i]];
    place[order[i]] = i;
  }
  for (ProfileEvent& event : sorted.events) event.row = place[event.row];
  return sorted;
}

}  // namespace switchyard::kernels
