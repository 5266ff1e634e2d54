#include "kernels/api/random.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/api/run.h"
#include "kernels/common/philox.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::Dropout;
using kernels::RandomNormal;
using kernels::RandomSign;
using kernels::RandomStretch;
using kernels::RandomUniform;
using kernels::Refusal;
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
  /// Returns what call(arguments) draws, `Op` being RandomNormal or one of its kin.
  template <class Op, class Call>
  std::vector<double> drawn(std::int64_t count, std::int64_t shift, const Call& call) {
    return written(count, shift,
                   [&](T* y) { call(Op{.y = y, .count = count, .stretch = kStretch}); });
  }
  /// Calls check(numbers) with what every rung on both devices draws, and run() on memory that is
  /// not aligned.
  template <class Op, class Check>
  void for_each_drawn(std::int64_t count, const Check& check) {
    for (const auto& rung : kernels::ladder<Simt, Op>()) {
      SCOPED_TRACE(rung.name);
      check(drawn<Op>(count, 0, [&](const Op& a) { run_rung(simt_, rung, a); }));
    }
    for (const auto& rung : kernels::ladder<Cpu, Op>()) {
      SCOPED_TRACE(rung.name);
      check(drawn<Op>(count, 0, [&](const Op& a) { run_rung(cpu_, rung, a); }));
    }
    for (const std::int64_t shift : {0, 1}) {
      SCOPED_TRACE(shift);
      check(drawn<Op>(count, shift, [&](const Op& a) { run(simt_, a); }));
    }
  }
  /// Bit for bit what `formula` makes of each element's word.
  template <class Op, class Formula>
  void expect_numbers(const Formula& formula) {
    for (const std::int64_t count : kCounts) {
      SCOPED_TRACE(count);
      std::vector<double> want;
      for (std::int64_t i = 0; i < count; ++i) want.push_back(formula(word(i)));
      for_each_drawn<Op>(count, [&](const std::vector<double>& got) { EXPECT_EQ(got, want); });
    }
  }

  Simt simt_;
  Cpu cpu_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaRandom, RealTypes);

TYPED_TEST(CudaRandom, UniformNumbersAreTheSameBitsOnEveryDevice) {
  this->template expect_numbers<RandomUniform<TypeParam>>(
      [](std::uint32_t w) { return std::ldexp(w >> 8, -24); });
}

TYPED_TEST(CudaRandom, SignsAreTheSameOnEveryDevice) {
  this->template expect_numbers<RandomSign<TypeParam>>(
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
    this->template for_each_drawn<RandomNormal<TypeParam>>(
        count, [&](const std::vector<double>& got) {
          EXPECT_LE(relative_error(got, want), sizeof(TypeParam) == 4 ? 1e-7 : 1e-15);
        });
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
      const auto dropped = [&](const auto& call) {
        return this->written(count, shift, [&](TypeParam* y) {
          call(Dropout<TypeParam>{
              .x = x + shift, .y = y, .count = count, .p = kDrop, .stretch = kStretch});
        });
      };
      for (const auto& rung : kernels::ladder<Simt, Dropout<TypeParam>>()) {
        if (shift != 0 && !rung.takes.text.empty()) continue;
        EXPECT_EQ(dropped([&](const auto& a) { run_rung(this->simt_, rung, a); }), want)
            << rung.name;
      }
      EXPECT_EQ(dropped([&](const auto& a) { run(this->simt_, a); }), want);
      for (const auto& rung : kernels::ladder<Cpu, Dropout<TypeParam>>()) {
        EXPECT_EQ(dropped([&](const auto& a) { run_rung(this->cpu_, rung, a); }), want)
            << rung.name;
      }
    }
  }
}

TYPED_TEST(CudaRandom, WideRungsRefuseWhatIsNotAligned) {
  std::vector<TypeParam> x(9);
  const auto refused = [&](const auto& arguments) {
    const auto& wide = kernels::ladder<Simt, std::decay_t<decltype(arguments)>>().back();
    expect_error<Refusal>([&] { run_rung(this->simt_, wide, arguments); },
                          fmt::format("[{}] needs pointers 16-byte aligned", wide.name));
  };
  refused(RandomNormal<TypeParam>{.y = x.data() + 1, .count = 8});
  refused(RandomUniform<TypeParam>{.y = x.data() + 1, .count = 8});
  refused(RandomSign<TypeParam>{.y = x.data() + 1, .count = 8});
  refused(Dropout<TypeParam>{.x = x.data(), .y = x.data() + 1, .count = 8, .p = 0.5});
}

TYPED_TEST(CudaRandom, MoreElementsThanAGridCoversAreRefusedBeforeTheLaunch) {
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  const auto refused = [&](const auto& arguments) {
    for (const auto& rung : kernels::ladder<Simt, std::decay_t<decltype(arguments)>>()) {
      expect_error<Refusal>([&] { run_rung(this->simt_, rung, arguments); },
                            fmt::format("[{}] blocks of ", rung.name));
    }
  };
  refused(Dropout<TypeParam>{.count = kMany, .p = 0.5});
  refused(RandomNormal<TypeParam>{.count = kMany});
  refused(RandomUniform<TypeParam>{.count = kMany});
  refused(RandomSign<TypeParam>{.count = kMany});
}

}  // namespace
}  // namespace switchyard::test
