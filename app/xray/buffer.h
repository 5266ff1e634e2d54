#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/size_expression.h"
#include "app/xray/numbers.h"

namespace switchyard {

/// What sizes are written with, and what buffers are for.
struct XraySizes {
  SizeNames names{};
  /// Buffers take address space alone, and all of them count as written. iota and random, which
  /// would fill theirs, are refused above 2^30 elements.
  bool are_reserved = false;
};

/// What is in a buffer before a launch, and is to be there after it.
enum class XrayContents {
  kValues,
  kEmpty,   ///< nothing
  kResult,  ///< nothing, but afterwards what the kernel wrote, in every element
};

/// The numbers of a buffer, as an argument or a file says them.
struct XrayBuffer {
  NumberType type = NumberType::kFloat32;
  std::uint64_t count = 0;
  std::string data;  ///< the elements' bytes; empty where all are zero
  XrayContents contents = XrayContents::kValues;

  std::uint64_t bytes() const { return count * number_bytes(type); }
};

/// Reads a form of kXrayArgumentHelp (arguments.h) that makes a buffer: zeros, iota, random,
/// values, empty, out, a .npy file, a tensor of a .safetensors file. Nothing where `text` is none
/// of them. `subject` names the option in messages: "--arg 2".
///
/// Errors: UsageError for a type, a count or a number that cannot be read; Error for a file.
std::optional<XrayBuffer> read_xray_buffer(std::string_view text, std::string_view subject,
                                           const XraySizes& sizes = {});

}  // namespace switchyard
