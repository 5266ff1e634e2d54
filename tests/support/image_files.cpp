#include "tests/support/image_files.h"

#include <algorithm>
#include <fstream>
#include <random>

namespace switchyard::test {

std::string cifar10_records(std::int64_t count, std::uint64_t seed) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(count) * kCifarRecord);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<int>(i % 10);
    bytes.push_back(static_cast<char>(label));
    for (int channel = 0; channel < 3; ++channel) {
      const int level = 60 + 40 * ((label + channel) % 4);
      for (int p = 0; p < 1024; ++p) {
        const int stripe = (label % 2 != 0 ? p / 32 : p % 32) / (1 + label / 4) % 2;
        const int noise = static_cast<int>(random() % 41) - 20;
        bytes.push_back(static_cast<char>(std::clamp(level + 30 * stripe + noise, 0, 255)));
      }
    }
  }
  return bytes;
}

void write_cifar10(const std::filesystem::path& directory, std::int64_t records) {
  std::filesystem::create_directories(directory);
  for (int i = 1; i <= 5; ++i) {
    write_bytes(directory / ("data_batch_" + std::to_string(i) + ".bin"),
                cifar10_records(records, static_cast<std::uint64_t>(i)));
  }
  write_bytes(directory / "test_batch.bin", cifar10_records(records, 6));
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace switchyard::test
