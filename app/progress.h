#pragma once

#include <chrono>
#include <string>

namespace switchyard {

/// Shows how a command goes on: a bar on stderr that redraws itself, where that is a terminal, and
/// lines on stdout, or on stderr where stdout is for JSON. A line that cannot be written to stdout
/// is reported at the end of the program (output.h); what stderr does not take is lost.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Redraws the bar, a few times a second at most, with the time that is left at the present pace.
  /// A smaller fraction than before begins another bar. Terminals only.
  void update(double fraction, const std::string& text);
  /// Says what goes on, in the bar's place. Terminals only.
  void status(const std::string& text);
  /// Removes the bar, if there is one.
  void clear();
  /// Prints one line above the bar.
  void line(const std::string& text);

 private:
  void draw(std::string text);
  std::string time_left(double fraction, std::chrono::steady_clock::time_point now);

  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;   // drawn
  std::chrono::steady_clock::time_point start_;  // of this bar, at start_fraction_
  double start_fraction_ = 0.0;
  double fraction_ = 2.0;  // above every fraction: the first one begins a bar
};

/// "42 s", "3 min 05 s", "2 h 07 min".
std::string duration_text(double seconds);

}  // namespace switchyard
