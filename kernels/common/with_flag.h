#pragma once

#include <type_traits>

namespace switchyard::kernels {

/// Calls body(std::true_type) or body(std::false_type): a run-time flag becomes a template
/// argument.
template <class Body>
void with_flag(bool flag, const Body& body) {
  if (flag) {
    body(std::true_type{});
  } else {
    body(std::false_type{});
  }
}

}  // namespace switchyard::kernels
