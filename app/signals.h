#pragma once

namespace switchyard {

/// While one lives, SIGINT (Ctrl-C), SIGTERM, SIGHUP (the terminal is gone) and SIGPIPE (nobody
/// reads what is printed) only set a flag, and the first of them says so on stderr. A second SIGINT
/// or SIGTERM ends the program as usual; SIGHUP, which a shell sends once more, and SIGPIPE, which
/// every further line raises, never do. A SIGHUP that is ignored, as under nohup, stays ignored. At
/// most one at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;
};

}  // namespace switchyard
