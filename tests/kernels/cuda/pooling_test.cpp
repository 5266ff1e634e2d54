#include "kernels/api/pooling.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"

namespace switchyard::test {
namespace {

using kernels::Simt;

template <class T>
class CudaPooling : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaPooling, RealTypes);

TYPED_TEST(CudaPooling, RefusesWhatAVariantCannotTake) {
  std::vector<TypeParam> memory(64);
  TypeParam* const nowhere = nullptr;
  Simt simt;
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  for (const auto& ladder : {kernels::global_average_pool_ladder<Simt, TypeParam>(),
                             kernels::global_average_unpool_ladder<Simt, TypeParam>()}) {
    for (const auto& variant : ladder) {
      SCOPED_TRACE(variant.name);
      expect_error<std::invalid_argument>([&] { variant.run(simt, nowhere, nowhere, kMany, 1, 4); },
                                          fmt::format("[{}] blocks of ", variant.name));
      if (variant.needs.empty()) continue;
      for (const std::int64_t channels : {4, 5}) {  // not aligned; no multiple of 16 bytes
        const TypeParam* const in = memory.data() + (channels == 4 ? 1 : 0);
        expect_error<std::invalid_argument>(
            [&] { variant.run(simt, in, memory.data() + 32, 1, 2, channels); },
            fmt::format("[{}] needs {}", variant.name, variant.needs));
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::test
