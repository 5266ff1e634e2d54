#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::moe_bench {

/// Says how a row of new results stands to the row of that name in old ones.
enum class Verdict { kFaster, kSlower, kSame, kUndecided, kOnlyOld, kOnlyNew };
std::string_view name(Verdict verdict);

/// The times of one row: nanoseconds of a call; `calls` were timed.
struct TimedRow {
  std::string name;
  std::string problem = {};  ///< why there is no time; empty where there is
  double median = 0.0, p20 = 0.0, p80 = 0.0;
  std::int64_t calls = 0;
};

/// Rows of a file that `bench routing|moe --json` wrote. Errors: one line naming the file and the
/// field where it is something else, or a name stands there twice.
std::vector<TimedRow> read_rows(const std::filesystem::path& path);

struct Comparison {
  std::string name;
  Verdict verdict = Verdict::kUndecided;
  double old_ns = 0.0, new_ns = 0.0;  ///< medians; 0 where there is none
  std::string reason = {};            ///< of kUndecided
};

/// Faster or slower: the intervals from the 20th to the 80th percentile do not overlap, so more
/// than 80 % of the calls of one lie beyond more than 80 % of the other's. Same: they overlap, and
/// the medians differ by at most kSameShare. Undecided: they overlap and the medians differ by
/// more, or one side has no time or fewer than kFewestCalls calls.
Comparison compare(const TimedRow& old_row, const TimedRow& new_row);
inline constexpr double kSameShare = 0.03;
inline constexpr std::int64_t kFewestCalls = 5;

/// Every row of both, in the order of the old ones and then what the new ones have besides.
std::vector<Comparison> compare_all(const std::vector<TimedRow>& old_rows,
                                    const std::vector<TimedRow>& new_rows);

std::string comparison_text(const std::vector<Comparison>& rows);
nlohmann::json to_json(const std::vector<Comparison>& rows);

}  // namespace switchyard::moe_bench
