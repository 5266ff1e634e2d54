#pragma once

namespace switchyard {

/// While one lives, the first SIGINT (Ctrl-C) or SIGTERM only sets a flag and says so on stderr; a
/// second one ends the program as usual. At most one at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;
};

}  // namespace switchyard
