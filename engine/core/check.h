#pragma once

#include <fmt/format.h>

#include <type_traits>
#include <utility>

#include "kernels/api/error.h"

namespace switchyard {

/// The caller asked for something that cannot be: an unknown field, k > experts, a bad option. The
/// command line exits with code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// An argument of a message: itself, or what it returns where it is a function without parameters.
template <class Arg>
decltype(auto) message_argument(Arg&& arg) {
  if constexpr (std::is_invocable_v<Arg>) {
    return std::forward<Arg>(arg)();
  } else {
    return std::forward<Arg>(arg);
  }
}
/// Its type, as fmt::format() deduces it.
template <class Arg>
using MessageArgument =
    typename std::conditional_t<std::is_invocable_v<Arg>, std::invoke_result<Arg>,
                                std::type_identity<Arg>>::type;

/// Throws `E` (Error by default) with the formatted message unless `condition` holds. A check that
/// holds builds no string: shapes are passed as they are, and an argument that costs something to
/// make is a function, [&] { return names(); }, called only for the message.
template <class E = Error, class... Args>
void check(bool condition, fmt::format_string<MessageArgument<Args>...> format, Args&&... args) {
  if (!condition) [[unlikely]] {
    throw E(fmt::format(format, message_argument(std::forward<Args>(args))...));
  }
}

}  // namespace switchyard
