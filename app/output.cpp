#include "app/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "app/command.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

/// The state of stdout, of which a process has one.
struct Output {
  bool json = false;
  bool document_printed = false;
  std::vector<std::pair<std::string, std::function<nlohmann::json()>>> fields;  ///< add_to_json()
  int error = 0;  ///< errno of the first failed write, 0: none failed
};

Output& output() {
  static Output state;
  return state;
}

void note_failure() {
  if (output().error == 0) output().error = errno == 0 ? EIO : errno;
}

void write_stdout(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) note_failure();
}

/// `text` line by line, without control characters in the lines.
std::string plain_lines(std::string_view text) {
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  if (is_plain_text(text)) return std::string(text);
  std::string lines;
  while (true) {
    const std::size_t end = text.find('\n');
    lines += one_line(text.substr(0, end), kNoLimit);
    if (end == std::string_view::npos) return lines;
    lines += '\n';
    text.remove_prefix(end + 1);
  }
}

}  // namespace

void open_standard_streams() {
  // The descriptors are opened the wrong way round, so that their use fails as if they were closed.
  // open() takes the lowest free number: the one that was found closed.
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void want_json() { output().json = true; }

bool json_wanted() { return output().json; }

void print_text(std::string_view text) { write_stdout(plain_lines(text)); }

void add_to_json(std::string name, std::function<nlohmann::json()> value) {
  output().fields.emplace_back(std::move(name), std::move(value));
}

void print_json(const nlohmann::json& given) {
  const auto& fields = output().fields;
  nlohmann::json document = given;
  if (!fields.empty() && !given.is_object()) document = {{"results", given}};
  for (const auto& [name, value] : fields) document[name] = value();
  print_json_text(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void print_json_text(std::string_view document) {
  output().document_printed = true;
  write_stdout(document);
}

void flush_stdout() {
  errno = 0;
  if (std::fflush(stdout) != 0) note_failure();
}

void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

int report_error(std::string_view message, int code) {
  const std::string line = one_line(message);
  write_stderr(fmt::format("switchyard: {}\n", line));
  if (output().json && !output().document_printed) {
    print_json({{"error", line}, {"exit_code", code}});
  }
  return code;
}

int finish_output(int code) {
  flush_stdout();
  const int error = output().error;
  if (error == 0 || code != kSuccess) return code;
  return report_error(
      fmt::format("cannot write to stdout: {}", std::generic_category().message(error)), kFailed);
}

double unsigned_nan(double x) { return std::isnan(x) ? std::fabs(x) : x; }

}  // namespace switchyard
