// A kernel with a ladder of one's own: SwiGLU, y = silu(a) · b, in two steps and fused.

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "kernels/api/provide.h"
#include "kernels/api/run.h"

namespace switchyard::kernels {

/// The kernel: its name, the arguments of a call, and what no implementation avoids.
struct Swiglu {
  static constexpr std::string_view kName = "swiglu";
  const float* a = nullptr;  ///< [count]
  const float* b = nullptr;  ///< [count]
  float* y = nullptr;        ///< [count]
  std::int64_t count = 0;
  Work work() const { return {.bytes = bytes_of<float>(3 * count)}; }
};

namespace {

/// The naive rung writes silu(a) to memory and reads it back.
void in_two_steps(Cpu&, const Swiglu& s) {
  for (std::int64_t i = 0; i < s.count; ++i) s.y[i] = s.a[i] / (1.0F + std::exp(-s.a[i]));
  for (std::int64_t i = 0; i < s.count; ++i) s.y[i] *= s.b[i];
}

/// The fused rung touches each element once.
void fused(Cpu&, const Swiglu& s) {
  for (std::int64_t i = 0; i < s.count; ++i) s.y[i] = s.a[i] * s.b[i] / (1.0F + std::exp(-s.a[i]));
}

}  // namespace

template <>
constexpr auto kRungs<Cpu, Swiglu> =
    std::to_array<Rung<Cpu, Swiglu>>({{"swiglu_two_steps", in_two_steps}, {"swiglu_fused", fused}});
template struct Provides<Cpu, Swiglu>;

}  // namespace switchyard::kernels

int main() {
  using namespace switchyard::kernels;
  const std::vector<float> a = {-2.0F, 0.0F, 3.0F}, b = {1.0F, 2.0F, 0.5F};
  std::vector<float> naive(3), best(3);
  Cpu cpu;
  run_rung(cpu, "swiglu_two_steps", Swiglu{a.data(), b.data(), naive.data(), 3});
  run(cpu, Swiglu{a.data(), b.data(), best.data(), 3});  // the last rung
  float off = 0.0F;
  for (std::size_t i = 0; i < 3; ++i) off = std::max(off, std::abs(naive[i] - best[i]));
  fmt::print("swiglu: {:.4f} {:.4f} {:.4f}, rungs differ by {:.1e}\n", best[0], best[1], best[2],
             off);
  return off < 1e-6F ? 0 : 1;
}
