#pragma once

#include <chrono>
#include <functional>

namespace switchyard::kernels {

/// Seconds of a call on the host's steady clock.
inline double host_seconds(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace switchyard::kernels
