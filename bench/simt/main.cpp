// bench_simt: what the SIMT executor costs. Prints nanoseconds per barrier and per shuffle of one
// thread, and GFLOP/s of every matrix-product variant, one host thread, best of several runs.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/api/matmul.h"
#include "kernels/api/run.h"
#include "kernels/common/launch.h"
#include "kernels/common/warp.h"
#include "kernels/cpu/parallel.h"

namespace switchyard::kernels {
namespace {

constexpr int kRounds = 1000;

__global__ void barriers(float* out) {
  for (int i = 0; i < kRounds; ++i) __syncthreads();
  out[threadIdx.x] = 1.0F;
}

__global__ void shuffles(float* out) {
  auto value = static_cast<float>(threadIdx.x);
  for (int i = 0; i < kRounds; ++i) value = __shfl_xor_sync(kFullWarp, value, 1);
  out[threadIdx.x] = value;
}

/// Least seconds of a call over 9 runs: what disturbs a run only ever adds.
template <class Call>
double seconds(const Call& call) {
  double best = 1e30;
  for (int run = 0; run < 9; ++run) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  return best;
}

template <class Kernel>
void print_synchronisation(const char* what, Kernel* kernel) {
  constexpr int kThreads = 256;
  std::vector<float> out(kThreads);
  Simt simt;
  const double time = seconds([&] {
    launch(simt, what, kernel, LaunchShape{.grid = {}, .block = {kThreads}}, out.data());
  });
  fmt::print("{:<34} {:6.1f} ns per thread\n", what, time * 1e9 / kRounds / kThreads);
}

/// Largest difference to a float64 product over its largest element.
template <class T, class Sum>
double error_of(const MatmulShape& s, const std::vector<T>& a, const std::vector<T>& b,
                const std::vector<Sum>& c) {
  double worst = 0;
  double largest = 0;
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      double want = 0;
      for (std::int64_t d = 0; d < s.k; ++d) {
        want += static_cast<double>(static_cast<Sum>(a[static_cast<std::size_t>(i * s.k + d)])) *
                static_cast<double>(static_cast<Sum>(b[static_cast<std::size_t>(d * s.n + j)]));
      }
      worst = std::max(worst, std::abs(want - double{c[static_cast<std::size_t>(i * s.n + j)]}));
      largest = std::max(largest, std::abs(want));
    }
  }
  return worst / largest;
}

/// Runs every rung of the ladder on 256x256x256. A rung that is wrong gets no figure.
template <class T>
void print_products(const char* dtype) {
  using Sum = ResultOf<T>;
  constexpr MatmulShape kShape = {256, 256, 256};
  constexpr std::size_t kSize = 256 * 256;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<T> a(kSize);
  std::vector<T> b(kSize);
  for (std::size_t i = 0; i < kSize; ++i) {
    a[i] = T(normal(random));
    b[i] = T(normal(random));
  }
  Simt simt;
  for (const auto& rung : ladder<Simt, Matmul<T>>()) {
    std::vector<Sum> c(kSize, Sum{-1});
    const double time = seconds([&] {
      run_rung(simt, rung, Matmul<T>{kShape, a.data(), b.data(), c.data()});
    });
    const double error = error_of(kShape, a, b, c);
    const double limit = rung.tolerance > 0 ? rung.tolerance : 1e-5;
    const double flops = 2.0 * kShape.m * kShape.n * kShape.k;
    if (!(error <= limit)) {
      fmt::print("{:<9} {:<34} wrong: relative error {:.1e}\n", dtype, rung.name, error);
    } else {
      fmt::print("{:<9} {:<34} {:6.2f} GFLOP/s\n", dtype, rung.name, flops / time * 1e-9);
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels

int main() {
  using namespace switchyard::kernels;
  set_thread_count(1);
  print_synchronisation("barrier", barriers);
  print_synchronisation("shuffle", shuffles);
  print_products<float>("float32");
  print_products<double>("float64");
  print_products<BFloat16>("bfloat16");
  return EXIT_SUCCESS;
}
