#pragma once

#include <filesystem>
#include <string>

#include "engine/core/shape.h"

namespace switchyard {

/// An array as a file of NumPy's format holds it.
struct NpyArray {
  std::string type;  ///< "<f4", "|u1": byte order, kind, bytes of an element
  Shape shape;
  std::string data;  ///< row-major
};

/// Reads a file of NumPy's format (.npy, versions 1 to 3, little-endian, row-major) whose elements
/// are numbers: i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8.
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
///
/// Errors, each an Error naming the file: another format, version, order or type; a header that
/// cannot be read; bytes that do not fit the shape.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace switchyard
