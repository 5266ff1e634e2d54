#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "app/xray/buffer.h"
#include "kernels/xray/memory.h"
#include "kernels/xray/module.h"

namespace switchyard {

/// What --arg takes, for the help text.
inline constexpr const char* kXrayArgumentHelp =
    R"(An argument is, in the kernel's order,
  TYPE:VALUE or VALUE            a number; without a type it has the parameter's own
  zeros:TYPE:COUNT               a buffer of zeros
  iota:TYPE:COUNT                0, 1, 2 ...
  random:TYPE:COUNT[:SEED[:BELOW]]   floating: from -1 to 1; integers: from 0 to BELOW - 1 (100)
  values:TYPE:A,B*COUNT,C ...    these numbers, one of them COUNT times
  empty:TYPE:COUNT               a buffer that holds nothing: --check finds reads of it
  out:TYPE:COUNT                 the same, and --check finds what the kernel leaves unwritten
  FILE.npy                       a buffer with the file's numbers
  FILE.safetensors:TENSOR        a buffer with a tensor
  {ARGUMENT, ARGUMENT ...}       a structure passed by value, each field aligned to its size
TYPE is one of i8 u8 i16 u16 i32 u32 i64 u64 f16 bf16 f32 f64.
A COUNT or a whole number VALUE, and each part of --grid and --block, may be an expression of + - * /
and parentheses: zeros:f32:64*1024. With --horizon n it may name n: --horizon n --grid '(n+255)/256'
--arg zeros:f32:n --arg n.)";

/// What the buffers of arguments are named in messages: "argument 2", and from the second buffer of
/// a structure on "argument 2 (buffer 2)".
std::string xray_buffer_name(std::uint64_t argument, std::uint64_t buffer);

/// Makes a kernel's parameter buffer of what the user wrote, and its buffers in `memory`. Errors:
/// UsageError for a number of arguments, a form, a type or a size that does not fit; Error for a
/// file that cannot be read.
std::vector<std::byte> xray_parameters(const kernels::xray::Function& kernel,
                                       const std::vector<std::string>& arguments,
                                       kernels::xray::Memory& memory, const XraySizes& sizes = {});

}  // namespace switchyard
