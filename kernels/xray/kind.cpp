#include "kernels/xray/kind.h"

namespace switchyard::kernels::xray {

const char* name(Kind kind) {
  static constexpr const char* kNames[] = {
      "integer",      "float32",      "float64",  "half",        "special",           "convert",
      "compare",      "move",         "control",  "global load", "global store",      "shared load",
      "shared store", "local memory", "constant", "atomic",      "asynchronous copy", "collective",
      "barrier",      "tensor core",  "other"};
  static_assert(sizeof kNames / sizeof *kNames == kKinds);
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace switchyard::kernels::xray
