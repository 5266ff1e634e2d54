#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/api/text.h"

// The exceptions that kernels, their devices and the engine share: whoever catches Error also
// catches a device fault and an allocator that has no memory left.

namespace switchyard {

/// Something failed while running: a bad file, a full disk, a device fault, no memory, a loss that
/// became NaN. The command line exits with code 1. The message is one line: what was wrong, where,
/// and what was expected; what it quotes of a file or a file's name is escaped (one_line).
class Error : public std::runtime_error {
 public:
  explicit Error(std::string_view message) : std::runtime_error(one_line(message)) {}
};

/// An allocator has no memory left. The message names the bytes that were asked for and the device;
/// `detail` follows them.
class OutOfMemory : public Error {
 public:
  OutOfMemory(std::size_t bytes, std::string_view device, std::string_view detail = {})
      : Error("out of memory: could not allocate " + std::to_string(bytes) + " bytes on " +
              std::string(device) + std::string(detail)) {}
};

namespace kernels {

/// A rung, or every rung of a kernel, does not take the arguments: "[rung] needs ...". Thrown
/// before anything is computed.
class Refusal : public Error {
 public:
  using Error::Error;
};

}  // namespace kernels
}  // namespace switchyard
