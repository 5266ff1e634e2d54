#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "analysis/perturbation/probe.h"

namespace switchyard {

/// Keeps what was found at each point in a file, a line of JSON per point, so that an exploration
/// that was stopped finds its first points there and goes on, bit for bit as if it had never been
/// stopped. Directions are pure functions of model, images and seed, so that nothing else needs to
/// be kept; the file belongs to one exploration with one setting.
class PointJournal {
 public:
  /// Reads the points of `file`, up to a last line that was cut short. Its directory is made where
  /// it is missing. Error for a file that is not such a journal.
  explicit PointJournal(std::filesystem::path file);

  /// What was found at the point, if it is known.
  std::optional<PointValues> find(const std::string& point) const;
  /// Appends a point. Error naming the file where the disk does not take it.
  void add(const std::string& point, const PointValues& values);

 private:
  std::filesystem::path file_;
  std::map<std::string, PointValues> points_;
};

}  // namespace switchyard
