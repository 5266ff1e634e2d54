#include "kernels/api/pooling.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

using kernels::Simt;

template <class T>
class CudaPooling : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaPooling, RealTypes);

/// `Op` is GlobalAveragePool or GlobalAverageUnpool.
template <class Op, class T>
void expect_refusals() {
  std::vector<T> memory(64);
  Simt simt;
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  for (const auto& rung : kernels::ladder<Simt, Op>()) {
    SCOPED_TRACE(rung.name);
    const auto refused = [&](const Op& arguments, const std::string& part) {
      expect_error<kernels::Refusal>([&] { run_rung(simt, rung, arguments); }, part);
    };
    Op arguments{.images = kMany, .pixels = 1, .channels = 4};
    refused(arguments, fmt::format("[{}] blocks of ", rung.name));
    if (rung.takes.text.empty()) continue;
    for (const std::int64_t channels : {4, 5}) {  // not aligned; no multiple of 16 bytes
      arguments = {.images = 1, .pixels = 2, .channels = channels};
      arguments.x = memory.data() + (channels == 4 ? 1 : 0);
      arguments.y = memory.data() + 32;
      refused(arguments, fmt::format("[{}] needs {}", rung.name, rung.takes.text));
      arguments.x = memory.data();
      arguments.y = memory.data() + 32 + (channels == 4 ? 1 : 0);
      refused(arguments, fmt::format("[{}] needs {}", rung.name, rung.takes.text));
    }
  }
}

TYPED_TEST(CudaPooling, RefusesWhatARungCannotTake) {
  expect_refusals<kernels::GlobalAveragePool<TypeParam>, TypeParam>();
  expect_refusals<kernels::GlobalAverageUnpool<TypeParam>, TypeParam>();
}

TYPED_TEST(CudaPooling, FewChannelsAreShared) {
  using Op = kernels::GlobalAveragePool<TypeParam>;
  const auto chosen = [](std::int64_t images, std::int64_t pixels, std::int64_t channels) {
    return std::string(kernels::internal::choose_rung<Simt>(
                           Op{.images = images, .pixels = pixels, .channels = channels})
                           .name);
  };
  EXPECT_EQ(chosen(1023, 9, 64), "global_average_pool_block_per_tile");
  EXPECT_EQ(chosen(1023, 8, 64), "global_average_pool_wide");
  EXPECT_EQ(chosen(1024, 9, 64), "global_average_pool_wide");
  EXPECT_EQ(chosen(1024, 9, 65), "global_average_pool_thread_per_channel");
}

}  // namespace
}  // namespace switchyard::test
