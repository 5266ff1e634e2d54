#include "analysis/perturbation/point_journal.h"

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

using nlohmann::json;

json to_line(const std::string& point, const PointValues& values) {
  json line = {{"point", point},
               {"loss", values.loss},
               {"accuracy", values.accuracy},
               {"group_losses", values.group_losses}};
  if (values.changed) line["changed"] = *values.changed;
  return line;
}

/// A number, NaN for null. Other values that are not finite come back as NaN, too.
double number(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

PointValues from_line(const json& line) {
  PointValues values{.loss = number(line.at("loss")),
                     .accuracy = number(line.at("accuracy")),
                     .changed = {},
                     .group_losses = {}};
  if (line.contains("changed")) values.changed = number(line.at("changed"));
  for (const json& loss : line.at("group_losses")) values.group_losses.push_back(number(loss));
  return values;
}

}  // namespace

PointJournal::PointJournal(std::filesystem::path file) : file_(std::move(file)) {
  std::filesystem::create_directories(file_.parent_path());
  if (!path_exists(file_)) return;
  const std::string text = read_file(file_);
  const std::size_t end = text.rfind('\n') + 1;  // 0 where there is no whole line
  for (std::size_t begin = 0; begin < end;) {
    const std::size_t next = text.find('\n', begin) + 1;
    try {
      const json line = json::parse(text.substr(begin, next - begin));
      points_[line.at("point").get<std::string>()] = from_line(line);
    } catch (const json::exception&) {
      throw Error(fmt::format("{}: no journal of points at byte {}; remove the file to begin anew",
                              file_.string(), begin));
    }
    begin = next;
  }
  if (end < text.size()) std::filesystem::resize_file(file_, end);
}

std::optional<PointValues> PointJournal::find(const std::string& point) const {
  const auto found = points_.find(point);
  if (found == points_.end()) return std::nullopt;
  return found->second;
}

void PointJournal::add(const std::string& point, const PointValues& values) {
  std::ofstream out(file_, std::ios::app);
  out << to_line(point, values).dump() << '\n' << std::flush;
  check(out.good(), "{}: cannot write", file_.string());
  points_[point] = values;
}

}  // namespace switchyard
