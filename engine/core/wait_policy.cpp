#include "engine/core/wait_policy.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>

namespace switchyard {

void share_processor(char** arguments) {
  if (::getenv("OMP_WAIT_POLICY") || ::getenv("GOMP_SPINCOUNT")) return;
  // The path and not /proc/self/exe itself, which process lists would then show as the name.
  std::array<char, PATH_MAX> program{};
  if (::readlink("/proc/self/exe", program.data(), program.size() - 1) <= 0) return;
  if (::setenv("OMP_WAIT_POLICY", "passive", 0) != 0) return;
  ::execv(program.data(), arguments);
}

}  // namespace switchyard
