#include "app/check_report.h"

#include <fmt/format.h>

#include "app/output.h"

namespace switchyard {
namespace {

using kernels::workbench::Outcome;
using nlohmann::json;

constexpr int kMostShown = 3;  // this many wrong odd sizes of a variant are printed

const char* word_for(Outcome::Status status) {
  switch (status) {
    case Outcome::Status::kAgrees:
      return "agrees";
    case Outcome::Status::kDisagrees:
      return "disagrees";
    case Outcome::Status::kRefused:
      return "refused";
    case Outcome::Status::kFailed:
      return "failed";
  }
  return "";
}

bool is_wrong(const Outcome& outcome) {
  return outcome.status == Outcome::Status::kDisagrees ||
         outcome.status == Outcome::Status::kFailed;
}

/// Says what is timed on a device.
const char* clock_of(const std::string& device) {
  if (device == "simt") return "kernels on the host, thread by thread: its times, not a GPU's";
  if (device == "cuda") return "GPU time between events, median of a few calls, caches warm";
  return "kernels/cpu, median of a few calls, caches warm";
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:8.1f} us", seconds * 1e6);
  return fmt::format("{:8.2f} {}", seconds < 1.0 ? seconds * 1e3 : seconds,
                     seconds < 1.0 ? "ms" : "s ");
}

std::string rate_text(const CheckRow& row) {
  const double per_second = 1e-9 / row.outcome.seconds;
  if (row.flops > 0) return fmt::format("{:8.2f} GFLOP/s", row.flops * per_second);
  return fmt::format("{:8.2f} GB/s of compulsory bytes", row.bytes * per_second);
}

std::string error_text(const Outcome& outcome) {
  return fmt::format("error {:7.1e} of {:7.1e}", unsigned_nan(outcome.error), outcome.tolerance);
}

json to_json(const CheckRow& row, const std::string& device) {
  json sizes = json::object();
  for (std::size_t i = 0; i < row.sizes.values().size(); ++i) {
    sizes[row.sizes.parameters()[i].name] = row.sizes.values()[i];
  }
  json object = {{"entry_point", row.entry_point},
                 {"variant", row.variant},
                 {"dtype", row.dtype},
                 {"device", device},
                 {"sizes", sizes},
                 {"aligned", row.is_aligned},
                 {"status", word_for(row.outcome.status)},
                 {"error", row.outcome.error},
                 {"tolerance", row.outcome.tolerance},
                 {"flops", row.flops},
                 {"compulsory_bytes", row.bytes}};
  if (row.outcome.seconds > 0) object["seconds"] = row.outcome.seconds;
  if (!row.outcome.reason.empty()) object["reason"] = row.outcome.reason;
  return object;
}

void print_wrong(const CheckRow& row) {
  print_text("  BAD      {:<40} {:<8} {}{}: {}; {}\n", row.variant, row.dtype,
             row.sizes.to_string(), row.is_aligned ? "" : ", unaligned", error_text(row.outcome),
             row.outcome.reason);
}

}  // namespace

CheckReport::CheckReport(std::string device) : device_(std::move(device)) {
  if (!json_wanted()) print_text("device {}: {}\n", device_, clock_of(device_));
}

void CheckReport::note(const CheckRow& row) {
  if (json_wanted()) rows_.push_back(to_json(row, device_));
  all_agree_ = all_agree_ && !is_wrong(row.outcome);
  if (row.outcome.status != Outcome::Status::kRefused) {
    some_ran_ = true;
  } else if (first_refusal_.empty()) {
    first_refusal_ = row.outcome.reason;
  }
}

void CheckReport::add(const CheckRow& row) {
  note(row);
  if (json_wanted()) return;
  const std::string heading = fmt::format("{}  {}", row.entry_point, row.sizes.to_string());
  if (heading != heading_) print_text("{}\n", heading);
  heading_ = heading;
  if (is_wrong(row.outcome)) {
    print_wrong(row);
  } else if (row.outcome.status == Outcome::Status::kRefused) {
    print_text("  refused  {:<40} {:<8} {}\n", row.variant, row.dtype, row.outcome.reason);
  } else {
    print_text("  ok       {:<40} {:<8} {}  {}  {}\n", row.variant, row.dtype,
               error_text(row.outcome), time_text(row.outcome.seconds), rate_text(row));
  }
  flush_stdout();  // who stops it early has the lines until then
}

void CheckReport::add_odd(const CheckRow& row) {
  note(row);
  if (is_wrong(row.outcome)) {
    if (!json_wanted() && odd_.wrong < kMostShown) print_wrong(row);
    ++odd_.wrong;
  } else if (row.outcome.status == Outcome::Status::kRefused) {
    ++odd_.refused;
  } else {
    ++odd_.agreed;
    if (!odd_.worst || !(row.outcome.error <= odd_.worst->outcome.error)) odd_.worst = row;
  }
}

void CheckReport::end_odd_sizes(std::size_t count) {
  if (!json_wanted() && odd_.worst && odd_.wrong == 0) {
    print_text("  ok       {:<40} {:<8} {}  over {} odd sizes, aligned and not{}\n",
               odd_.worst->variant, odd_.worst->dtype, error_text(odd_.worst->outcome), count,
               odd_.refused > 0 ? fmt::format(" ({} refused)", odd_.refused) : "");
  }
  if (!json_wanted() && odd_.wrong > kMostShown) {
    print_text("           ... and {} more of {} odd sizes, aligned and not (--json has all)\n",
               odd_.wrong - kMostShown, count);
  }
  flush_stdout();
  odd_ = {};
}

void CheckReport::finish() {
  if (json_wanted()) print_json(rows_);
}

}  // namespace switchyard
