#include "kernels/cuda/library_calls.h"

#include <fmt/format.h>

#include "kernels/api/error.h"

namespace switchyard::kernels {
namespace {

bool is_forbidden = false;

}  // namespace

void forbid_library_calls() { is_forbidden = true; }

bool library_calls_allowed() { return !is_forbidden; }

void require_library_calls(const char* title) {
  if (is_forbidden) throw Refusal(fmt::format("{} is left out on this device", title));
}

}  // namespace switchyard::kernels
