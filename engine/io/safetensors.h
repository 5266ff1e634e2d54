#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/core/tensor.h"

namespace switchyard {

/// What a safetensors file holds. Tensors are as stored: the format knows no layout.
struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file (https://huggingface.co/docs/safetensors): dtypes F32, F64, I32, I64,
/// U8, and BF16, which is widened to float32 without loss.
///
/// Errors, each one line naming the file and the tensor: unreadable or truncated file, header
/// longer than the file, broken JSON, repeated names, unknown dtype, bad shape, shape and bytes
/// that disagree, data that overlaps, leaves holes or does not end with the file.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Writes `file` atomically (files.h): tensors by falling element size, then by name, so that each
/// lies aligned in the file. dtypes float32, float64, int32, int64, uint8; Error for others and for
/// undefined tensors.
void write_safetensors(const std::filesystem::path& path, const TensorFile& file);

/// Error naming `path`, the tensor and the element where a floating-point tensor holds a NaN or an
/// infinity.
void require_finite(const std::string& name, const Tensor& tensor,
                    const std::filesystem::path& path);

}  // namespace switchyard
