#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "engine/core/tensor.h"

namespace switchyard {

/// The contents of a safetensors file. Tensors are as stored: the format knows no layout.
struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
  /// The dtypes of tensors whose dtype the engine lacks. They were passed over.
  std::map<std::string, std::string> skipped = {};
};

/// The header of a file may have at most so many bytes: names and shapes of 100,000 tensors.
/// (The reference implementation allows 100 MB, which take 2 GB once they are parsed.)
inline constexpr std::uint64_t kMaxTensorHeaderBytes = 16'000'000;

/// Says what becomes of a BF16 tensor that is read.
enum class StoredBFloat16 { kWidened, kKept };

/// Reads a safetensors file (https://huggingface.co/docs/safetensors), a pipe included: dtypes F32,
/// F64, I32, I64, U8, and F16 and BF16, which are widened to float32 without loss; BF16 is kept as
/// bfloat16 where that is asked for. A tensor of another dtype is passed over and noted in
/// `skipped`.
///
/// Errors, each one line naming the file and the tensor: unreadable or truncated file, header
/// longer than the file or the limit, broken JSON, repeated names, bad shape, shape and bytes that
/// disagree, data that overlaps, leaves holes or does not end with the file.
TensorFile read_safetensors(const std::filesystem::path& path,
                            StoredBFloat16 bfloat16 = StoredBFloat16::kWidened);

/// Writes `file` atomically (files.h): tensors by falling element size, then by name, so that each
/// lies aligned in the file. Any dtype; Error for undefined tensors. `skipped` is not written.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

/// Error naming `path`, the tensor and the element where a floating-point tensor holds a NaN or an
/// infinity.
void require_finite(const std::string& name, const Tensor& tensor,
                    const std::filesystem::path& path);

}  // namespace switchyard
