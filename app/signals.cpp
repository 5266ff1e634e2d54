#include "app/signals.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace switchyard {
namespace {

volatile sig_atomic_t stop_requested = 0;

constexpr std::array kStopSignals = {SIGINT, SIGTERM};

void set_handler(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : kStopSignals) sigaction(signal, &action, nullptr);
}

extern "C" void note_stop(int) {
  stop_requested = 1;
  set_handler(SIG_DFL);  // the next one ends the program
  constexpr std::string_view message = "\nstopping as soon as everything is saved\n";
  if (::write(STDERR_FILENO, message.data(), message.size()) < 0) return;
}

}  // namespace

StopSignal::StopSignal() {
  stop_requested = 0;
  set_handler(note_stop);
}

StopSignal::~StopSignal() { set_handler(SIG_DFL); }

bool StopSignal::requested() const { return stop_requested != 0; }

}  // namespace switchyard
