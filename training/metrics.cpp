#include "training/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "training/descriptor.h"

namespace switchyard {

using nlohmann::json;

json to_json(const EpochMetrics& metrics) {
  json train = to_json(metrics.train);
  if (metrics.train_gate.rows > 0) train["gate"] = to_json(metrics.train_gate);
  json validation = to_json(metrics.validation.scores);
  if (metrics.validation.gate) validation["gate"] = to_json(metrics.validation.gate->sums());
  return {{"epoch", metrics.epoch},
          {"learning_rate", metrics.learning_rate},
          {"seconds", metrics.seconds},
          {"train", train},
          {"validation", validation}};
}

void append_metrics(const std::filesystem::path& path, const EpochMetrics& metrics) {
  const std::string line = to_json(metrics).dump() + "\n";
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  check(file.get() >= 0, "{}: cannot open: {}", path.string(), std::strerror(errno));
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  const bool complete = written == static_cast<ssize_t>(line.size());
  if (written >= 0 && !complete) errno = ENOSPC;  // the kernel says so at the next write only
  check(complete && ::fsync(file.get()) == 0, "{}: cannot append: {}", path.string(),
        std::strerror(errno));
}

std::vector<json> read_metrics(const std::filesystem::path& path) {
  std::vector<json> lines;
  if (!std::filesystem::exists(path)) return lines;
  const std::string text = read_file(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // cut short by a kill
    const std::string where = fmt::format("{}: line {}", path.string(), lines.size() + 1);
    lines.push_back(parse_json(std::string_view(text).substr(begin, end - begin), where));
    check(lines.back().is_object() && lines.back().contains("epoch") &&
              lines.back()["epoch"] == lines.size(),
          "{}: expected the metrics of epoch {}", where, lines.size());
    begin = end + 1;
  }
  return lines;
}

void truncate_metrics(const std::filesystem::path& path, std::int64_t finished_epochs) {
  const std::vector<json> lines = read_metrics(path);
  check(static_cast<std::int64_t>(lines.size()) >= finished_epochs,
        "{}: has the metrics of {} epochs, the checkpoint has finished {}", path.string(),
        lines.size(), finished_epochs);
  std::string kept;
  for (std::int64_t i = 0; i < finished_epochs; ++i) {
    kept += lines[static_cast<std::size_t>(i)].dump() + "\n";
  }
  write_file_atomic(path, kept);
}

}  // namespace switchyard
