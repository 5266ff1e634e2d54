#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace switchyard {

/// SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  /// The sum as 64 lower-case hexadecimal digits. Nothing can be added afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of a file's bytes. Error naming the file where it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace switchyard
