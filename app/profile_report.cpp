#include "app/profile_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/output.h"
#include "engine/io/files.h"
#include "kernels/api/profile.h"
#include "kernels/api/registry.h"

namespace switchyard {
namespace {

using nlohmann::json;

struct State {
  bool running = false;
  std::optional<std::string> trace;
};
State& state() {
  static State profile;
  return profile;
}

double share_of(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

json to_json(const kernels::Profile& profile) {
  json rows = json::array();
  for (const kernels::ProfileRow& row : profile.rows) {
    rows.push_back({{"device", row.device},
                    {"kernel", row.kernel},
                    {"variant", row.rung},
                    {"calls", row.calls},
                    {"launches", row.launches},
                    {"seconds", row.seconds},
                    {"share", share_of(row.seconds, profile.seconds)},
                    {"bytes", row.work.bytes},
                    {"flops", row.work.flops}});
  }
  return {{"seconds", profile.seconds}, {"kernels", rows}};
}

/// The table; bytes are the compulsory ones of the calls, so GB/s compare with a copy.
void print_table(const kernels::Profile& profile) {
  print_text("\n{:<44} {:>8} {:>9} {:>7} {:>11} {:>8} {:>9}\n", "kernel (variant)", "calls",
             "seconds", "share", "MB", "GB/s", "GFLOP/s");
  double kernels = 0.0;
  for (const kernels::ProfileRow& row : profile.rows) {
    kernels += row.seconds;
    const double flops = row.work.flops;
    print_text("{:<44} {:>8} {:>9.4f} {:>6.1f}% {:>11.1f} {:>8.2f} {:>9}\n", row.rung, row.calls,
               row.seconds, 100.0 * share_of(row.seconds, profile.seconds), row.work.bytes * 1e-6,
               share_of(row.work.bytes * 1e-9, row.seconds),
               flops > 0.0 ? fmt::format("{:.2f}", share_of(flops * 1e-9, row.seconds)) : "-");
  }
  const double rest = profile.seconds - kernels;
  print_text("{:<44} {:>8} {:>9.4f} {:>6.1f}%\n", "outside kernels", "", rest,
             100.0 * share_of(rest, profile.seconds));
}

/// The Trace Event Format that chrome://tracing and Perfetto read: complete events, in
/// microseconds.
std::string timeline(const kernels::Profile& profile) {
  json events = json::array();
  for (const kernels::ProfileEvent& event : profile.events) {
    const kernels::ProfileRow& row = profile.rows[event.row];
    events.push_back(
        {{"name", row.rung},
         {"cat", row.device},
         {"ph", "X"},
         {"pid", 1},
         {"tid", 1},
         {"ts", event.begin * 1e6},
         {"dur", event.seconds * 1e6},
         {"args",
          {{"kernel", row.kernel}, {"bytes", event.work.bytes}, {"flops", event.work.flops}}}});
  }
  return json({{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}}).dump() + "\n";
}

/// Says for which choices some calls took another rung.
void report_refused_variants() {
  for (const kernels::ChosenRung& choice : kernels::chosen_rungs()) {
    if (choice.refused == 0) continue;
    write_stderr(
        fmt::format("switchyard: --variant {}={}: {} of {} calls have sizes that it does "
                    "not take and ran another variant\n",
                    choice.kernel, choice.rung, choice.refused, choice.refused + choice.taken));
  }
}

}  // namespace

void begin_profile(const std::optional<std::string>& trace) {
  if (trace) write_file_atomic(*trace, "");  // now rather than after the work
  state() = {true, trace};
  add_to_json("profile", [] { return to_json(kernels::profile()); });
  kernels::start_profile(trace.has_value());
}

void finish_profile() {
  report_refused_variants();
  if (!state().running) return;
  kernels::stop_profile();
  const kernels::Profile profile = kernels::profile();
  if (!json_wanted()) print_table(profile);
  if (!state().trace) return;
  write_file_atomic(*state().trace, timeline(profile));
  if (profile.events_dropped > 0) {
    write_stderr(fmt::format("switchyard: {}: the last {} calls did not fit into the timeline\n",
                             *state().trace, profile.events_dropped));
  }
}

}  // namespace switchyard
