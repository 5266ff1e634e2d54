#pragma once

#include <fmt/format.h>

#include <utility>

#include "kernels/api/error.h"

namespace switchyard {

/// The caller asked for something that cannot be: an unknown field, k > experts, a bad option. The
/// command line exits with code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Throws `E` (Error by default) with the formatted message unless `condition` holds.
template <class E = Error, class... Args>
void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]] {
    throw E(fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace switchyard
