#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "kernels/api/error.h"
#include "tests/kernels/xray/run_ptx.h"
#include "tests/support/expect_error.h"

// Chosen blocks at sizes that no machine holds, on address space alone; and indices that wrap
// around on the way to an address.

namespace switchyard::kernels::xray::test {
namespace {

using switchyard::test::expect_error;

constexpr std::int64_t kGiga = std::int64_t{1} << 30;

/// Runs the first and the last block of a copy of n numbers in blocks of 256.
void copy(const std::string& kernel, std::int64_t n) {
  Ptx ptx(ptx_file("indices.ptx"), "indices.ptx");
  const std::byte* x = ptx.memory().allocate(static_cast<std::size_t>(n) * 4, "x");
  const std::byte* y = ptx.memory().allocate(static_cast<std::size_t>(n) * 4, "y");
  const auto blocks = static_cast<std::uint64_t>((n + 255) / 256);
  LaunchOptions options;
  options.find_wraps = true;
  options.blocks = {0, blocks - 1};
  const LaunchReport report = ptx.run_with(
      options, kernel, {.grid = {static_cast<unsigned>(blocks)}, .block = {256}}, x, y, n);
  EXPECT_GT(report.total.access.global_requests, 0U);
}

TEST(XrayHorizon, AnIntegerIndexEndsAtTwoGigaNumbers) {
  EXPECT_NO_THROW(copy("with_int", 2 * kGiga));
  expect_error([] { copy("with_int", 2 * kGiga + 1); },
               "its address comes from a 32-bit index that wrapped around at indices.cu:6");
}

TEST(XrayHorizon, AnUnsignedOneAtFour) {
  EXPECT_NO_THROW(copy("with_unsigned", 4 * kGiga));
  expect_error([] { copy("with_unsigned", 4 * kGiga + 1); }, "wrapped around at indices.cu:11");
}

TEST(XrayHorizon, OneOfSixtyFourBitsGoesOn) {
  EXPECT_NO_THROW(copy("with_size_t", 64 * kGiga));
  EXPECT_NO_THROW(copy("hashed", 64 * kGiga));
}

TEST(XrayHorizon, UnsignedNumbersMayCountDownFromBeyondTheSignedOnes) {
  Ptx ptx(ptx_file("indices.ptx"), "indices.ptx");
  const auto n = static_cast<std::uint32_t>(3 * kGiga);
  const std::byte* x = ptx.memory().allocate(std::size_t{n} * 4, "x");
  const std::byte* y = ptx.memory().allocate(std::size_t{n} * 4, "y");
  LaunchOptions options;
  options.find_wraps = true;
  options.blocks = {0, n / 256 - 1};
  EXPECT_NO_THROW(ptx.run_with(options, "backwards", {.grid = {n / 256}, .block = {256}}, x, y, n));
}

TEST(XrayHorizon, BlocksThatTheGridDoesNotHaveAreRefused) {
  Ptx ptx(ptx_file("indices.ptx"), "indices.ptx");
  LaunchOptions options;
  options.blocks = {4};
  expect_error(
      [&] {
        ptx.run_with(options, "with_int", {.grid = {4}, .block = {32}}, nullptr, nullptr,
                     std::int64_t{0});
      },
      "with_int: there is no block 4, the grid has 4");
}

}  // namespace
}  // namespace switchyard::kernels::xray::test
