#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/api/conv2d.h"
#include "kernels/api/device.h"
#include "kernels/api/matmul.h"
#include "kernels/api/run.h"
#include "kernels/cuda/conv2d_library.h"
#include "kernels/cuda/matmul_library.h"
#include "kernels/cuda/stream.h"
#include "tests/support/expect_error.h"

// Checks what the fake of tests/kernels/cuda_runtime cannot show: memory, copies, cuBLAS and cuDNN
// on a GPU. (The hand-written kernels are the workbench's.)

namespace switchyard::test {
namespace {

using namespace kernels;

/// Skipped, with the reason, where there is no GPU.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = unavailable_reason<Cuda>();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
};

template <class T>
std::vector<T> random_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> numbers(static_cast<std::size_t>(count));
  for (T& number : numbers) number = static_cast<T>(normal(random));
  return numbers;
}

/// A vector's elements in device memory.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(const std::vector<T>& values)
      : count_(values.size()), block_(allocate(cuda_, count_ * sizeof(T))) {
    copy_to_device(cuda_, block_.data, values.data(), count_ * sizeof(T));
  }
  ~OnDevice() { release(cuda_, block_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  T* data() const { return static_cast<T*>(block_.data); }
  std::vector<T> to_host() const {
    std::vector<T> values(count_);
    copy_to_host(cuda_, values.data(), block_.data, count_ * sizeof(T));
    return values;
  }

 private:
  Cuda& cuda_ = default_executor<Cuda>();
  std::size_t count_;
  MemoryBlock block_;
};

template <class T>
double relative_error(const std::vector<T>& got, const std::vector<double>& expected) {
  double difference = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference += (double{got[i]} - expected[i]) * (double{got[i]} - expected[i]);
    norm += expected[i] * expected[i];
  }
  return std::sqrt(difference / norm);
}

template <class T>
constexpr double kTolerance = sizeof(T) == 8 ? 1e-10 : 1e-5;

TEST_F(GpuTest, MegabytesSurviveTheWayThereAndBack) {
  const auto sent = random_numbers<double>(3'000'001, 1);
  const OnDevice<double> there(sent);
  EXPECT_EQ(there.to_host(), sent);
}

TEST_F(GpuTest, MemoryIsCountedCachedAndGivenBack) {
  Cuda& cuda = default_executor<Cuda>();
  const std::size_t before = memory_stats(cuda).live;
  release(cuda, allocate(cuda, std::size_t{100} << 20));
  synchronise(cuda);
  EXPECT_EQ(memory_stats(cuda).live, before);
  EXPECT_GE(memory_stats(cuda).peak, before + (std::size_t{100} << 20));
  EXPECT_GE(memory_stats(cuda).cached, std::size_t{100} << 20);
  release_cached_memory(cuda);
  EXPECT_LT(memory_stats(cuda).cached, std::size_t{100} << 20);
}

TEST_F(GpuTest, MoreMemoryThanThereIsIsAnErrorThatPasses) {
  Cuda& cuda = default_executor<Cuda>();
  expect_error<CudaError>([&] { allocate(cuda, std::size_t{1} << 50); },
                          "could not allocate 1125899906842624 bytes on cuda");
  const OnDevice<float> after({1.0F, 2.0F});
  EXPECT_EQ(after.to_host(), (std::vector<float>{1.0F, 2.0F}));
}

template <class T>
void expect_product(const MatmulShape& s) {
  const auto a = random_numbers<double>(s.m * s.k, 1);
  const auto b = random_numbers<double>(s.k * s.n, 2);
  std::vector<double> expected(static_cast<std::size_t>(s.m * s.n));
  Cpu cpu;
  const std::vector<T> a_t(a.begin(), a.end());
  const std::vector<T> b_t(b.begin(), b.end());
  const std::vector<double> a_rounded(a_t.begin(), a_t.end());
  const std::vector<double> b_rounded(b_t.begin(), b_t.end());
  run(cpu, Matmul<double>{s, a_rounded.data(), b_rounded.data(), expected.data()});
  const OnDevice<T> a_device(a_t);
  const OnDevice<T> b_device(b_t);
  const OnDevice<T> c_device(std::vector<T>(expected.size(), std::numeric_limits<T>::quiet_NaN()));
  matmul_cublas(default_executor<Cuda>(),
                Matmul<T>{s, a_device.data(), b_device.data(), c_device.data()});
  EXPECT_LE(relative_error(c_device.to_host(), expected), kTolerance<T>);
}

TEST_F(GpuTest, CublasAgreesWithTheHostInFullPrecision) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      expect_product<float>({127, 33, 65, ta, tb});
      expect_product<double>({127, 33, 65, ta, tb});
      expect_product<float>({512, 256, 1024, ta, tb});  // where tf32 would show
    }
  }
}

/// All three faces by cuDNN against the host's float64.
template <class T>
void expect_convolutions(Cuda& cuda, const ConvShape& s) {
  const auto x = random_numbers<T>(s.x_size(), 1);
  const auto w = random_numbers<T>(s.w_size(), 2);
  const auto gy = random_numbers<T>(s.y_size(), 3);
  const std::vector<double> x64(x.begin(), x.end());
  const std::vector<double> w64(w.begin(), w.end());
  const std::vector<double> gy64(gy.begin(), gy.end());
  std::vector<double> y(gy.size());
  std::vector<double> gx(x.size());
  std::vector<double> gw(w.size());
  Cpu cpu;
  run(cpu, Conv2d<double>{s, x64.data(), w64.data(), y.data()});
  run(cpu, Conv2dInputGrad<double>{s, gy64.data(), w64.data(), gx.data()});
  run(cpu, Conv2dWeightGrad<double>{s, x64.data(), gy64.data(), gw.data()});
  const auto expect_face = [&]<class Face>(std::type_identity<Face>, const std::vector<T>& first,
                                           const std::vector<T>& second,
                                           const std::vector<double>& expected) {
    const OnDevice<T> a(first);
    const OnDevice<T> b(second);
    const OnDevice<T> c(std::vector<T>(expected.size(), std::numeric_limits<T>::quiet_NaN()));
    const Face arguments = {s, a.data(), b.data(), c.data()};
    conv2d_cudnn(cuda, arguments);
    const auto once = c.to_host();
    EXPECT_LE(relative_error(once, expected), kTolerance<T>) << Face::kName;
    conv2d_cudnn(cuda, arguments);
    EXPECT_EQ(c.to_host(), once) << "not the same bits again";
  };
  expect_face(std::type_identity<Conv2d<T>>{}, x, w, y);
  expect_face(std::type_identity<Conv2dInputGrad<T>>{}, gy, w, gx);
  expect_face(std::type_identity<Conv2dWeightGrad<T>>{}, x, gy, gw);
}

TEST_F(GpuTest, CudnnAgreesWithTheHostInFullPrecision) {
  Cuda& cuda = default_executor<Cuda>();
  try {
    start_cudnn(cuda);
  } catch (const CudaError& error) {
    GTEST_SKIP() << error.what();
  }
  const auto shape = [](std::int64_t size, std::int64_t channels, std::int64_t filters,
                        std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
    return ConvShape{.batch = 5,
                     .height = size,
                     .width = size + 2,
                     .channels = channels,
                     .filters = filters,
                     .kernel_height = kernel,
                     .kernel_width = kernel,
                     .stride = stride,
                     .padding = padding};
  };
  for (const ConvShape& s :
       {shape(32, 3, 64, 3, 1, 1), shape(16, 64, 64, 3, 1, 1), shape(16, 64, 128, 3, 2, 1),
        shape(16, 64, 128, 1, 2, 0), shape(9, 5, 7, 3, 1, 1), shape(1, 1, 1, 1, 1, 0)}) {
    SCOPED_TRACE(testing::Message() << s.height << " " << s.channels << " " << s.filters);
    expect_convolutions<float>(cuda, s);
    expect_convolutions<double>(cuda, s);
  }
}

}  // namespace
}  // namespace switchyard::test
