#pragma once

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace switchyard {

// Everything that the program prints goes through these functions, so that an output that fails is
// noticed, and so that no byte of a file or of an argument steers the reader's terminal.

/// Opens those of the descriptors 0, 1 and 2 that are closed, so that no file that is opened later
/// becomes one of them. Writing to stdout is then an error, as it was.
void open_standard_streams();

/// Says that stdout gets one JSON document and nothing else, errors included (--json).
void want_json();
bool json_wanted();

/// Writes `text` to stdout, control characters but line ends escaped. A failure is remembered for
/// finish_output().
void print_text(std::string_view text);

template <class First, class... Rest>
void print_text(fmt::format_string<First, Rest...> format, First&& first, Rest&&... rest) {
  const std::string text =
      fmt::format(format, std::forward<First>(first), std::forward<Rest>(rest)...);
  print_text(std::string_view(text));
}

/// Prints the one JSON document of --json. Text that is not UTF-8 gets replacement characters.
void print_json(const nlohmann::json& document);
/// Adds a field to the document that print_json() will print; a list becomes its field "results".
/// `value` is called then.
void add_to_json(std::string name, std::function<nlohmann::json()> value);
/// Prints a document that is text already.
void print_json_text(std::string_view document);

/// Passes on what stdout holds back. A failure is remembered as print_text() does.
void flush_stdout();

/// Writes `text` as it is to stderr; what it does not take is lost.
void write_stderr(std::string_view text);

/// Prints one line "switchyard: MESSAGE" on stderr, whatever `message` holds; with --json also the
/// document
/// {"error": MESSAGE, "exit_code": CODE}, unless another one was printed. Returns `code`.
int report_error(std::string_view message, int code);

/// Flushes stdout. Where any of it could not be written, reports that and returns kFailed in place
/// of success; else returns `code`.
int finish_output(int code);

/// Returns `x` without the sign that a NaN may carry, so that people read "nan" and never "-nan".
double unsigned_nan(double x);

}  // namespace switchyard
