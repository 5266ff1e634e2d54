#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/api/routing.h"
#include "kernels/api/run.h"
#include "kernels/simt/run_grid.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_numbers.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::RouteShape;
using kernels::Simt;
using Indices = std::vector<std::int64_t>;

/// Says where every assignment goes. Plain loops build it.
struct Route {
  RouteShape shape;
  Indices permutation, inverse;
};

/// Random experts, those of every third number without tokens; each keeps `capacity` (0: all).
Route random_route(std::int64_t tokens, std::int64_t k, std::int64_t experts, std::int64_t width,
                   std::int64_t capacity) {
  const auto assignments = static_cast<std::size_t>(tokens * k);
  const auto normal = random_tensor({tokens * k}, 8).to_doubles();
  Route route = {{tokens, k, 0, width}, {}, Indices(assignments, -1)};
  for (std::int64_t e = 0; e < experts; ++e) {
    std::int64_t kept = 0;
    for (std::size_t a = 0; a < assignments; ++a) {
      std::int64_t expert = static_cast<std::int64_t>(std::abs(normal[a]) * 1e6) % experts;
      if (expert % 3 == 2) --expert;
      if (expert != e || (capacity > 0 && kept == capacity)) continue;
      route.inverse[a] = static_cast<std::int64_t>(route.permutation.size());
      route.permutation.push_back(static_cast<std::int64_t>(a));
      ++kept;
    }
  }
  route.shape.slots = static_cast<std::int64_t>(route.permutation.size());
  return route;
}

template <class T>
struct Operands {
  std::vector<T> tokens, slots, weights;

  explicit Operands(const RouteShape& s)
      : tokens(random_numbers<T>(s.tokens * s.width, 1)),
        slots(random_numbers<T>(s.slots * s.width, 2)),
        weights(random_numbers<T>(s.tokens * s.k, 3)) {}
};

/// The three faces of the routed form.
struct Faces {
  std::vector<double> dispatched, combined, weight_grad;
  bool operator==(const Faces&) const = default;
};

template <class T>
Faces faces(const Route& route, const Operands<T>& in) {
  const RouteShape& s = route.shape;
  GuardedBuffer<T> dispatched(s.slots * s.width);
  GuardedBuffer<T> combined(s.tokens * s.width);
  GuardedBuffer<T> weight_grad(s.tokens * s.k);
  Simt simt;
  kernels::run(simt, kernels::Dispatch<T>{.shape = s,
                                          .permutation = route.permutation.data(),
                                          .x = in.tokens.data(),
                                          .weights = in.weights.data(),
                                          .y = dispatched.data()});
  kernels::run(simt, kernels::Combine<T>{.shape = s,
                                         .inverse = route.inverse.data(),
                                         .x = in.slots.data(),
                                         .weights = in.weights.data(),
                                         .y = combined.data()});
  kernels::run(simt, kernels::CombineWeightGrad<T>{.shape = s,
                                                   .inverse = route.inverse.data(),
                                                   .x = in.slots.data(),
                                                   .gy = in.tokens.data(),
                                                   .gweights = weight_grad.data()});
  return {dispatched.values(), combined.values(), weight_grad.values()};
}

template <class T>
class CudaDispatch : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaDispatch, RealTypes);

TYPED_TEST(CudaDispatch, SameBitsOnAnyNumberOfThreads) {
  const Route route = random_route(127, 2, 7, 36, 20);
  const Operands<TypeParam> in(route.shape);
  std::vector<Faces> results;
  for_thread_counts([&] { results.push_back(faces(route, in)); });
  for (const Faces& each : results) EXPECT_EQ(each, results.front());
}

TYPED_TEST(CudaDispatch, WhatAVariantDoesNotTakeIsRefusedBeforeTheLaunch) {
  alignas(16) TypeParam rows[16] = {};
  const RouteShape small = {2, 1, 2, 4};
  const RouteShape wide = {2, 1, 2, std::int64_t{1} << 31};
  const RouteShape many = {std::int64_t{1} << 45, 2, std::int64_t{1} << 45, 4};
  Simt simt;
  const auto check = [&]<class Op>(Op a) {
    for (const auto& rung : kernels::ladder<Simt, Op>()) {
      const auto refused = [&](const RouteShape& shape, const TypeParam* x, const char* part) {
        a.shape = shape;
        a.x = x;
        const std::string text =
            error_text<kernels::Refusal>([&] { kernels::run_rung(simt, rung, a); });
        EXPECT_EQ(text.find(fmt::format("[{}] ", rung.name)), 0U) << text;
        EXPECT_NE(text.find(part), std::string::npos) << text;
      };
      refused(wide, rows, "width of 2147483648");
      refused(many, rows, "blocks of ");
      if (!rung.takes.text.empty()) refused(small, rows + 1, "needs operands 16-byte aligned");
    }
  };
  check(kernels::Dispatch<TypeParam>{.shape = {}, .y = rows});
  check(kernels::Combine<TypeParam>{.shape = {}, .y = rows});
  check(kernels::CombineWeightGrad<TypeParam>{.shape = {}, .gweights = rows});
}

}  // namespace
}  // namespace switchyard::test
