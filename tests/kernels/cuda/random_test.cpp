#include "kernels/api/random.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "kernels/api/executor.h"
#include "kernels/common/philox.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::RandomStretch;
using kernels::Simt;

constexpr RandomStretch kStretch{.seed = 0x123456789ABCDEF, .offset = (std::uint64_t{1} << 40) + 3};
const std::vector<std::int64_t> kCounts = {0, 1, 3, 4, 31, 33, 127, 1023, 1024, 4097};

std::uint32_t word(std::int64_t i) {
  return kernels::random_word(kStretch.seed, kStretch.offset, i);
}

template <class T>
class CudaRandom : public testing::Test {
 protected:
  template <class Call>
  std::vector<double> written(std::int64_t count, std::int64_t shift, const Call& call) {
    GuardedBuffer<T> y(count + shift);
    call(y.data() + shift);
    const std::vector<double> all = y.values();
    return {all.begin() + shift, all.end()};
  }
  std::vector<double> drawn(kernels::RandomFunction<Simt, T>* run, std::int64_t count,
                            std::int64_t shift = 0) {
    return written(count, shift, [&](T* y) { run(simt_, count, y, kStretch); });
  }
  /// Bit for bit what `formula` makes of each element's word, and what the CPU draws.
  template <class Formula>
  void expect_numbers(kernels::VariantLadder<kernels::RandomFunction<Simt, T>> ladder,
                      kernels::RandomFunction<Simt, T>* entry,
                      kernels::RandomFunction<Cpu, T>* on_cpu, const Formula& formula) {
    for (const std::int64_t count : kCounts) {
      SCOPED_TRACE(count);
      std::vector<double> want;
      for (std::int64_t i = 0; i < count; ++i) want.push_back(formula(word(i)));
      for (const auto& variant : ladder) EXPECT_EQ(drawn(variant.run, count), want) << variant.name;
      EXPECT_EQ(drawn(entry, count), want);
      EXPECT_EQ(drawn(entry, count, 1), want) << "not aligned";
      EXPECT_EQ(written(count, 0, [&](T* y) { on_cpu(cpu_, count, y, kStretch); }), want);
    }
  }

  Simt simt_;
  Cpu cpu_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaRandom, RealTypes);

TYPED_TEST(CudaRandom, UniformNumbersAreTheSameBitsOnEveryDevice) {
  this->expect_numbers(kernels::random_uniform_ladder<Simt, TypeParam>(),
                       kernels::random_uniform<Simt, TypeParam>,
                       kernels::random_uniform<Cpu, TypeParam>,
                       [](std::uint32_t w) { return std::ldexp(w >> 8, -24); });
}

TYPED_TEST(CudaRandom, SignsAreTheSameOnEveryDevice) {
  this->expect_numbers(kernels::random_sign_ladder<Simt, TypeParam>(),
                       kernels::random_sign<Simt, TypeParam>, kernels::random_sign<Cpu, TypeParam>,
                       [](std::uint32_t w) { return w >= 0x80000000U ? 1.0 : -1.0; });
}

TYPED_TEST(CudaRandom, NormalNumbersAreTheSameUpToRounding) {
  for (const std::int64_t count : kCounts) {
    SCOPED_TRACE(count);
    std::vector<double> want;
    for (std::int64_t i = 0; i < count; ++i) {
      const double a = (word(i / 2 * 2) + 0.5) / 4294967296.0;
      const double b = (word(i / 2 * 2 + 1) + 0.5) / 4294967296.0;
      const double angle = 2 * std::acos(-1.0) * b;
      want.push_back(std::sqrt(-2 * std::log(a)) *
                     (i % 2 == 0 ? std::cos(angle) : std::sin(angle)));
    }
    const auto expect = [&](const std::vector<double>& got) {
      EXPECT_LE(relative_error(got, want), sizeof(TypeParam) == 4 ? 1e-7 : 1e-15);
    };
    for (const auto& variant : kernels::random_normal_ladder<Simt, TypeParam>()) {
      SCOPED_TRACE(variant.name);
      expect(this->drawn(variant.run, count));
    }
    expect(this->drawn(kernels::random_normal<Simt, TypeParam>, count));
    expect(this->drawn(kernels::random_normal<Simt, TypeParam>, count, 1));
    expect(this->written(
        count, 0, [&](TypeParam* y) { kernels::random_normal(this->cpu_, count, y, kStretch); }));
  }
}

TYPED_TEST(CudaRandom, DropoutDropsTheSameElementsOnEveryDevice) {
  constexpr double kDrop = 0.3;
  for (const std::int64_t count : kCounts) {
    SCOPED_TRACE(count);
    const Tensor random = random_tensor({count + 1}, 1, kDTypeOf<TypeParam>);
    const auto* const x = random.data<TypeParam>();
    for (const std::int64_t shift : {0, 1}) {
      std::vector<double> want;
      for (std::int64_t i = 0; i < count; ++i) {
        const bool dropped = word(i) < static_cast<std::uint32_t>(kDrop * 4294967296.0);
        want.push_back(dropped ? 0.0 : x[shift + i] * static_cast<TypeParam>(1 / (1 - kDrop)));
      }
      const auto run = [&](auto& exec, const auto& dropout) {
        return this->written(count, shift, [&](TypeParam* y) {
          dropout(exec, count, x + shift, y, kDrop, kStretch);
        });
      };
      for (const auto& variant : kernels::dropout_ladder<Simt, TypeParam>()) {
        if (shift != 0 && !variant.needs.empty()) continue;
        EXPECT_EQ(run(this->simt_, variant.run), want) << variant.name;
      }
      EXPECT_EQ(run(this->simt_, kernels::dropout<Simt, TypeParam>), want);
      EXPECT_EQ(run(this->cpu_, kernels::dropout<Cpu, TypeParam>), want);
    }
  }
}

TYPED_TEST(CudaRandom, WideVariantsRefuseWhatIsNotAligned) {
  std::vector<TypeParam> x(9);
  const auto refused = [&](const auto& ladder, const auto& call) {
    expect_error<std::invalid_argument>(
        [&] { call(ladder.back().run); },
        fmt::format("[{}] needs pointers 16-byte aligned", ladder.back().name));
  };
  const auto draw = [&](const auto& run) { run(this->simt_, 8, x.data() + 1, kStretch); };
  refused(kernels::random_normal_ladder<Simt, TypeParam>(), draw);
  refused(kernels::random_uniform_ladder<Simt, TypeParam>(), draw);
  refused(kernels::random_sign_ladder<Simt, TypeParam>(), draw);
  refused(kernels::dropout_ladder<Simt, TypeParam>(),
          [&](const auto& run) { run(this->simt_, 8, x.data(), x.data() + 1, 0.5, kStretch); });
}

TYPED_TEST(CudaRandom, MoreElementsThanAGridCoversAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  TypeParam* const nowhere = nullptr;
  const auto refused = [&](std::string_view name, const auto& call) {
    expect_error<std::invalid_argument>(call, fmt::format("[{}] blocks of ", name));
  };
  for (const auto& variant : kernels::dropout_ladder<Simt, TypeParam>()) {
    refused(variant.name,
            [&] { variant.run(this->simt_, kMany, nowhere, nowhere, 0.5, kStretch); });
  }
  for (const auto& ladder : {kernels::random_normal_ladder<Simt, TypeParam>(),
                             kernels::random_uniform_ladder<Simt, TypeParam>(),
                             kernels::random_sign_ladder<Simt, TypeParam>()}) {
    for (const auto& variant : ladder) {
      refused(variant.name, [&] { variant.run(this->simt_, kMany, nowhere, kStretch); });
    }
  }
}

}  // namespace
}  // namespace switchyard::test
