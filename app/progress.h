#pragma once

#include <chrono>
#include <string>

namespace switchyard {

/// Progress on stderr: a bar that redraws itself on a terminal, nothing but lines otherwise.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Redraws the bar, a few times a second at most. Terminals only.
  void update(double fraction, const std::string& text);
  /// Removes the bar, if there is one.
  void clear();
  /// Prints one line above the bar.
  void line(const std::string& text);

 private:
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

/// "42 s", "3 min 05 s", "2 h 07 min".
std::string duration_text(double seconds);

}  // namespace switchyard
