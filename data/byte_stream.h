#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "data/sha256.h"

struct gzFile_s;

namespace switchyard {

/// A plain or gzip-compressed file, read front to back. Every error names the file.
class ByteStream {
 public:
  explicit ByteStream(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

  /// A big-endian 32-bit integer.
  std::uint32_t read_integer();

  /// Error where the file is too short to hold `count` more bytes: a plain file by its length, a
  /// compressed one because deflate makes at most 1,032 bytes of one. So a false count in a header
  /// is found out before memory is taken for it.
  void require_room(std::int64_t count) const;

  /// Reads exactly `count` bytes, and then the end of the file.
  void read_rest(std::uint8_t* to, std::int64_t count);

  /// SHA-256 of the unpacked bytes, once they have all been read.
  std::string sha256() { return sum_.finish(); }

 private:
  /// Up to `count` bytes; fewer at the end of the file.
  std::int64_t read(std::uint8_t* to, std::int64_t count);

  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile_s*)> file_;
  std::int64_t taken_ = 0;  ///< unpacked bytes read so far
  Sha256 sum_;
};

}  // namespace switchyard
