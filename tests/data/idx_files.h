#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/support/image_files.h"

namespace switchyard::test {

inline std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

/// An IDX file of random images.
inline std::string idx_images(std::uint32_t count, std::uint32_t rows, std::uint32_t columns,
                              std::uint32_t seed) {
  std::string bytes =
      big_endian(0x803) + big_endian(count) + big_endian(rows) + big_endian(columns);
  std::mt19937 random(seed);
  for (std::uint32_t i = 0; i < count * rows * columns; ++i) {
    bytes.push_back(static_cast<char>(random()));
  }
  return bytes;
}

/// An IDX file of labels that go round 0 to 9.
inline std::string idx_labels(std::uint32_t count) {
  std::string bytes = big_endian(0x801) + big_endian(count);
  for (std::uint32_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i % 10));
  return bytes;
}

/// A directory in MNIST's layout with `train` training and 10 test images.
inline void write_idx(const std::filesystem::path& directory, std::uint32_t train,
                      std::uint32_t rows, std::uint32_t columns) {
  std::filesystem::create_directories(directory);
  write_bytes(directory / "train-images-idx3-ubyte", idx_images(train, rows, columns, 1));
  write_bytes(directory / "train-labels-idx1-ubyte", idx_labels(train));
  write_bytes(directory / "t10k-images-idx3-ubyte", idx_images(10, rows, columns, 2));
  write_bytes(directory / "t10k-labels-idx1-ubyte", idx_labels(10));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_gzip(const std::filesystem::path& path, const std::string& bytes) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

}  // namespace switchyard::test
