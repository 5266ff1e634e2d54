#include "app/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "app/output.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr std::size_t kBarWidth = 24;
const std::string kEraseLine = "\r\033[K";

std::size_t terminal_columns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { clear(); }

std::string Progress::time_left(double fraction, std::chrono::steady_clock::time_point now) {
  if (fraction < fraction_) {
    start_ = now;
    start_fraction_ = fraction;
  }
  fraction_ = fraction;
  const double done = fraction - start_fraction_;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (done <= 0.0 || seconds < 1.0) return "";  // too early to tell
  return fmt::format(" {} left,", duration_text(seconds * (1.0 - fraction) / done));
}

void Progress::update(double fraction, const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  const std::string left = time_left(fraction, now);
  if (!terminal_ || (drawn_ && now - last_ < kRedrawInterval)) return;
  last_ = now;
  const double filled = std::clamp(fraction, 0.0, 1.0) * double{kBarWidth};
  const auto marks = static_cast<std::size_t>(std::lround(filled));
  draw(fmt::format("[{:<{}}]{} {}", std::string(marks, '#'), kBarWidth, left, text));
}

void Progress::status(const std::string& text) {
  if (terminal_) draw(text);
}

void Progress::draw(std::string text) {
  drawn_ = true;
  text = one_line(text);
  text.resize(std::min(text.size(), terminal_columns() - 1));
  write_stderr(kEraseLine + text);
}

void Progress::clear() {
  if (!drawn_) return;
  drawn_ = false;
  write_stderr(kEraseLine);
}

void Progress::line(const std::string& text) {
  clear();
  const std::string line = one_line(text) + "\n";
  if (json_wanted()) {
    write_stderr(line);
  } else {
    print_text(line);
    flush_stdout();
  }
}

std::string duration_text(double seconds) {
  const auto total = static_cast<long>(std::lround(seconds));
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {:02} s", total / 60, total % 60);
  return fmt::format("{} h {:02} min", total / 3600, total % 3600 / 60);
}

}  // namespace switchyard
