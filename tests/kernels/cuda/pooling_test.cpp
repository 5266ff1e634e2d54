#include "kernels/api/pooling.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "kernels/api/executor.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using kernels::Cpu;
using kernels::Simt;

struct Sizes {
  std::int64_t images, pixels, channels;
};
const std::vector<Sizes> kCases = {{0, 4, 3},  {3, 4, 0},   {1, 1, 1},    {2, 16, 31},
                                   {3, 9, 33}, {5, 49, 64}, {1, 600, 40}, {33, 7, 127}};

template <class T>
class CudaPooling : public testing::Test {
 protected:
  template <class Exec>
  void expect_means(Exec& exec, kernels::PoolFunction<Exec, T>* run, const Sizes& s,
                    std::int64_t shift = 0) {
    const Tensor data = random_tensor({s.images * s.pixels * s.channels + shift}, 1, kDTypeOf<T>);
    const T* const x = data.data<T>() + shift;
    std::vector<double> want;
    for (std::int64_t i = 0; i < s.images; ++i) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        double sum = 0.0;
        for (std::int64_t p = 0; p < s.pixels; ++p) sum += x[(i * s.pixels + p) * s.channels + c];
        want.push_back(sum / static_cast<double>(s.pixels));
      }
    }
    GuardedBuffer<T> y(s.images * s.channels);
    run(exec, x, y.data(), s.images, s.pixels, s.channels);
    EXPECT_LE(relative_error(y.values(), want), tolerance(kDTypeOf<T>));
  }
  template <class Exec>
  void expect_spread(Exec& exec, kernels::PoolFunction<Exec, T>* run, const Sizes& s,
                     std::int64_t shift = 0) {
    const Tensor data = random_tensor({s.images * s.channels + shift}, 2, kDTypeOf<T>);
    const T* const y = data.data<T>() + shift;
    std::vector<double> want;
    for (std::int64_t i = 0; i < s.images * s.pixels; ++i) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        want.push_back(y[i / s.pixels * s.channels + c] / static_cast<double>(s.pixels));
      }
    }
    GuardedBuffer<T> x(s.images * s.pixels * s.channels);
    run(exec, y, x.data(), s.images, s.pixels, s.channels);
    EXPECT_LE(relative_error(x.values(), want), tolerance(kDTypeOf<T>));
  }
  static bool runs(std::string_view needs, const Sizes& s) {
    return needs.empty() || s.channels * static_cast<std::int64_t>(sizeof(T)) % 16 == 0;
  }

  Simt simt_;
  Cpu cpu_;
};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaPooling, RealTypes);

TYPED_TEST(CudaPooling, EveryVariantMatchesPlainLoops) {
  for (const Sizes& s : kCases) {
    SCOPED_TRACE(fmt::format("{} images, {} pixels, {} channels", s.images, s.pixels, s.channels));
    for (const auto& variant : kernels::global_average_pool_ladder<Simt, TypeParam>()) {
      SCOPED_TRACE(variant.name);
      if (this->runs(variant.needs, s)) this->expect_means(this->simt_, variant.run, s);
    }
    for (const auto& variant : kernels::global_average_unpool_ladder<Simt, TypeParam>()) {
      SCOPED_TRACE(variant.name);
      if (this->runs(variant.needs, s)) this->expect_spread(this->simt_, variant.run, s);
    }
  }
}

TYPED_TEST(CudaPooling, EntryPointsTakeAnySizesAndAlignment) {
  std::vector<Sizes> cases = kCases;
  cases.push_back({130, 2, 512});  // more channels than are worth sharing
  for (const Sizes& s : cases) {
    SCOPED_TRACE(fmt::format("{} images, {} pixels, {} channels", s.images, s.pixels, s.channels));
    for (const std::int64_t shift : {0, 1}) {
      this->expect_means(this->simt_, kernels::global_average_pool<Simt, TypeParam>, s, shift);
      this->expect_spread(this->simt_, kernels::global_average_unpool<Simt, TypeParam>, s, shift);
    }
    this->expect_means(this->cpu_, kernels::global_average_pool<Cpu, TypeParam>, s);
    this->expect_spread(this->cpu_, kernels::global_average_unpool<Cpu, TypeParam>, s);
  }
}

TYPED_TEST(CudaPooling, RefusesWhatAVariantCannotTake) {
  std::vector<TypeParam> memory(64);
  TypeParam* const nowhere = nullptr;
  constexpr std::int64_t kMany = std::int64_t{1} << 44;
  for (const auto& ladder : {kernels::global_average_pool_ladder<Simt, TypeParam>(),
                             kernels::global_average_unpool_ladder<Simt, TypeParam>()}) {
    for (const auto& variant : ladder) {
      SCOPED_TRACE(variant.name);
      expect_error<std::invalid_argument>(
          [&] { variant.run(this->simt_, nowhere, nowhere, kMany, 1, 4); },
          fmt::format("[{}] blocks of ", variant.name));
      if (variant.needs.empty()) continue;
      for (const std::int64_t channels : {4, 5}) {  // not aligned; no multiple of 16 bytes
        const TypeParam* const in = memory.data() + (channels == 4 ? 1 : 0);
        expect_error<std::invalid_argument>(
            [&] { variant.run(this->simt_, in, memory.data() + 32, 1, 2, channels); },
            fmt::format("[{}] needs {}", variant.name, variant.needs));
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::test
