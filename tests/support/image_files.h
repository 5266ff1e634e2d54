#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace switchyard::test {

/// Number of bytes of a CIFAR-10 record: the label, then 1,024 red, green and blue values.
inline constexpr std::size_t kCifarRecord = 3073;

/// `count` CIFAR-10 records. Labels go round 0 to 9; a class is a colour and a stripe pattern under
/// noise, so that a classifier can learn it. The same `seed` gives the same bytes.
std::string cifar10_records(std::int64_t count, std::uint64_t seed);

/// A directory in the layout of CIFAR-10's binary version, with `records` in each of its six files.
void write_cifar10(const std::filesystem::path& directory, std::int64_t records);

/// Replaces the file at `path`.
void write_bytes(const std::filesystem::path& path, const std::string& bytes);

}  // namespace switchyard::test
