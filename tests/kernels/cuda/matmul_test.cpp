#include "kernels/api/matmul.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/run.h"
#include "kernels/common/sizes.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

// Checks what the workbench's sweeps over sizes, types and alignments do not say.

namespace switchyard::test {
namespace {

using kernels::BFloat16;
using kernels::Matmul;
using kernels::MatmulShape;
using kernels::Simt;

/// Standard normal values in `count + shift` elements, of which the first `shift` are left out, so
/// that the rest is not aligned to 16 bytes.
template <class T>
class Operand {
 public:
  Operand(std::int64_t count, std::uint64_t seed, std::int64_t shift = 0) : shift_(shift) {
    for (const double value : random_tensor({count + shift}, seed).to_doubles()) {
      values_.push_back(static_cast<T>(value));
    }
  }
  const T* data() const { return values_.data() + shift_; }

 private:
  std::int64_t shift_;
  std::vector<T> values_;
};

template <class T>
class CudaMatmul : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaMatmul, RealTypes);

TYPED_TEST(CudaMatmul, WideVariantRefusesWhatIsNotAligned) {
  const auto refused = [&](const MatmulShape& s, std::int64_t shift) {
    const Operand<TypeParam> a(s.m * s.k, 1, shift);
    const Operand<TypeParam> b(s.k * s.n, 2);
    GuardedBuffer<TypeParam> c(s.m * s.n);
    Simt simt;
    expect_error<kernels::Refusal>(
        [&] {
          kernels::run_rung(simt, "matmul_register_tile_wide",
                            Matmul<TypeParam>{s, a.data(), b.data(), c.data()});
        },
        "[matmul_register_tile_wide] needs operands 16-byte aligned");
  };
  refused({8, 8, 8}, 1);
  refused({8, 8, 7}, 0);
  refused({8, 7, 8}, 0);
  refused({7, 8, 8, true, false}, 0);
}

TYPED_TEST(CudaMatmul, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 31;
  constexpr std::int64_t kMost = kernels::kLargestExtent;
  for (const auto& rung : kernels::ladder<Simt, Matmul<TypeParam>>()) {
    const auto refused = [&](const MatmulShape& s, const char* part) {
      Simt simt;
      const std::string text =
          error_text<kernels::Refusal>([&] { rung.run(simt, Matmul<TypeParam>{.shape = s}); });
      EXPECT_EQ(text.find(fmt::format("[{}", rung.name.substr(0, 13))), 0U) << text;
      EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    refused({kMany, 4, 4}, "m of 2147483648");
    refused({4, kMany, 4}, "n of 2147483648");
    refused({4, 4, kMany}, "k of 2147483648");
    refused({-1, 4, 4}, "m of -1");
    refused({kMost, kMost, 4}, " of ");  // more blocks than a grid has
  }
}

TYPED_TEST(CudaMatmul, SameBitsOnAnyNumberOfThreads) {
  const MatmulShape s = {70, 65, 600};
  const Operand<TypeParam> a(s.m * s.k, 1);
  const Operand<TypeParam> b(s.k * s.n, 2);
  std::vector<std::vector<double>> results;
  for_thread_counts([&] {
    GuardedBuffer<TypeParam> c(s.m * s.n);
    Simt simt;
    kernels::run(simt, Matmul<TypeParam>{s, a.data(), b.data(), c.data()});
    results.push_back(c.values());
  });
  for (const auto& result : results) EXPECT_EQ(result, results.front());
}

TEST(CudaMatmulFloat32, LongSumsKeepTheirDigits) {
  const MatmulShape s = {1, 2, 100000};  // all terms positive: nothing cancels, rounding adds up
  const std::vector<float> a(static_cast<std::size_t>(s.k), 0.1F);
  std::vector<float> b;
  std::vector<double> want(2);
  for (std::int64_t i = 0; i < s.k * s.n; ++i) {
    b.push_back(0.5F + static_cast<float>(i % 1000) * 1e-3F);
    want[static_cast<std::size_t>(i % 2)] += double{0.1F} * b.back();
  }
  GuardedBuffer<float> c(2);
  Simt simt;
  kernels::run(simt, Matmul<float>{s, a.data(), b.data(), c.data()});
  EXPECT_LE(relative_error(c.values(), want), tolerance(DType::kFloat32));
}

TEST(CudaMatmulBf16, SizesOver32BitsAreRefusedBeforeTheLaunch) {
  for (const auto& rung : kernels::ladder<Simt, Matmul<BFloat16>>()) {
    Simt simt;
    expect_error<kernels::Refusal>(
        [&] {
          rung.run(simt, Matmul<BFloat16>{.shape = {8, 8, std::int64_t{1} << 40}});
        },
        fmt::format("[{}] k of 1099511627776", rung.name));
  }
}

}  // namespace
}  // namespace switchyard::test
