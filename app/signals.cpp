#include "app/signals.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string_view>

namespace switchyard {
namespace {

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

constexpr std::array kRequests = {SIGINT, SIGTERM};  // a second one ends the program
constexpr std::array kLosses = {SIGHUP, SIGPIPE};    // the terminal or the reader is gone

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction now = {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

extern "C" void note_stop(int) {
  for (const int request : kRequests) set_handler(request, SIG_DFL);
  // Once only: stderr may be the pipe that broke, and would raise SIGPIPE again.
  if (stop_requested.exchange(true)) return;
  constexpr std::string_view message = "\nstopping as soon as everything is saved\n";
  if (::write(STDERR_FILENO, message.data(), message.size()) < 0) return;
}

}  // namespace

StopSignal::StopSignal() {
  stop_requested = false;
  for (const int request : kRequests) set_handler(request, note_stop);
  for (const int loss : kLosses) {
    if (!is_ignored(loss)) set_handler(loss, note_stop);
  }
}

StopSignal::~StopSignal() {
  for (const int request : kRequests) set_handler(request, SIG_DFL);
  // What is still printed must not end the program by a signal after all was saved.
  for (const int loss : kLosses) {
    if (!is_ignored(loss)) set_handler(loss, stop_requested ? SIG_IGN : SIG_DFL);
  }
}

bool StopSignal::requested() const { return stop_requested; }

}  // namespace switchyard
