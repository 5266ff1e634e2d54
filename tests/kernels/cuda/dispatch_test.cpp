#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/api/routing.h"
#include "kernels/simt/executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/tensors.h"
#include "tests/support/thread_counts.h"

namespace switchyard::test {
namespace {

using kernels::RouteShape;
using kernels::Simt;
using Indices = std::vector<std::int64_t>;

/// Where every assignment goes. Built by plain loops.
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

std::vector<Route> odd_routes() {
  return {random_route(0, 2, 4, 8, 0),      random_route(1, 1, 1, 1, 0),
          random_route(31, 1, 4, 33, 0),    random_route(127, 2, 7, 17, 0),
          random_route(1000, 2, 8, 3, 100), random_route(33, 4, 64, 127, 0),
          random_route(5, 2, 8, 0, 0)};
}
/// Rows of 16 bytes in either dtype.
std::vector<Route> aligned_routes() {
  return {random_route(31, 1, 1, 4, 0),     random_route(1000, 2, 8, 8, 100),
          random_route(127, 4, 160, 64, 1), random_route(9, 2, 7, 132, 0),
          random_route(3, 2, 4, 516, 0),    random_route(0, 1, 1, 16, 0)};
}

template <class T>
std::vector<T> numbers(std::int64_t count, std::uint64_t seed) {
  std::vector<T> values;
  for (const double v : random_tensor({count}, seed, kDTypeOf<T>).to_doubles()) {
    values.push_back(static_cast<T>(v));
  }
  return values;
}

/// One more element before the rows where `shift` is 1: not aligned to 16 bytes.
template <class T>
struct Operands {
  std::int64_t shift;
  std::vector<T> token_rows, slot_rows, weights;

  Operands(const RouteShape& s, std::int64_t offset)
      : shift(offset),
        token_rows(numbers<T>(s.tokens * s.width + shift, 1)),
        slot_rows(numbers<T>(s.slots * s.width + shift, 2)),
        weights(numbers<T>(s.tokens * s.k, 3)) {}
  const T* tokens() const { return token_rows.data() + shift; }
  const T* slots() const { return slot_rows.data() + shift; }
};

/// The three faces of the routed form, and those of dispatch and combine with weights of one.
struct Faces {
  std::vector<double> dispatched, plain_dispatched, combined, plain_combined, weight_grad;
  bool operator==(const Faces&) const = default;
};

template <class T>
Faces plain_faces(const Route& route, const Operands<T>& in) {
  const auto [tokens, k, slots, width] = route.shape;
  const auto token_size = static_cast<std::size_t>(tokens * width);
  const auto slot_size = static_cast<std::size_t>(slots * width);
  Faces f = {std::vector<double>(slot_size), std::vector<double>(slot_size),
             std::vector<double>(token_size), std::vector<double>(token_size),
             std::vector<double>(route.inverse.size())};
  for (std::size_t a = 0; a < route.inverse.size(); ++a) {
    const std::int64_t slot = route.inverse[a];
    if (slot < 0) continue;
    const double weight = in.weights[a];
    for (std::int64_t d = 0; d < width; ++d) {
      const std::int64_t i = static_cast<std::int64_t>(a) / k * width + d;
      const std::int64_t j = slot * width + d;
      const double x = in.tokens()[i];
      const double y = in.slots()[j];
      f.dispatched[static_cast<std::size_t>(j)] = weight * x;
      f.plain_dispatched[static_cast<std::size_t>(j)] = x;
      f.combined[static_cast<std::size_t>(i)] += weight * y;
      f.plain_combined[static_cast<std::size_t>(i)] += y;
      f.weight_grad[a] += x * y;
    }
  }
  return f;
}

template <class T>
using Function = kernels::RouteFunction<Simt, T>;

template <class T>
std::vector<double> run(Function<T>* function, const RouteShape& shape, const Indices& map,
                        const T* x, const T* other, std::int64_t size, std::int64_t shift) {
  GuardedBuffer<T> y(size + shift);
  Simt simt;
  function(simt, shape, map.data(), x, other, y.data() + shift);
  const std::vector<double> values = y.values();
  return {values.begin() + shift, values.end()};
}

template <class T>
Faces kernel_faces(Function<T>* dispatch, Function<T>* combine, Function<T>* weight_grad,
                   const Route& route, const Operands<T>& in) {
  const RouteShape& s = route.shape;
  const T* const weights = in.weights.data();
  const auto dispatched = [&](const T* w) {
    return run(dispatch, s, route.permutation, in.tokens(), w, s.slots * s.width, in.shift);
  };
  const auto combined = [&](const T* w) {
    return run(combine, s, route.inverse, in.slots(), w, s.tokens * s.width, in.shift);
  };
  return {dispatched(weights), dispatched(nullptr), combined(weights), combined(nullptr),
          run(weight_grad, s, route.inverse, in.slots(), in.tokens(), s.tokens * s.k, 0)};
}

template <class T>
void expect_faces(Function<T>* dispatch, Function<T>* combine, Function<T>* weight_grad,
                  const Route& route, std::int64_t shift = 0) {
  const RouteShape& s = route.shape;
  SCOPED_TRACE(fmt::format("{} tokens, k {}, {} slots, width {}, shift {}", s.tokens, s.k, s.slots,
                           s.width, shift));
  const Operands<T> in(s, shift);
  const Faces got = kernel_faces(dispatch, combine, weight_grad, route, in);
  const Faces expected = plain_faces(route, in);
  const double most = tolerance(kDTypeOf<T>);
  EXPECT_LE(relative_error(got.dispatched, expected.dispatched), most);
  EXPECT_EQ(got.plain_dispatched, expected.plain_dispatched);
  EXPECT_LE(relative_error(got.combined, expected.combined), most);
  EXPECT_LE(relative_error(got.plain_combined, expected.plain_combined), most);
  EXPECT_LE(relative_error(got.weight_grad, expected.weight_grad), most);
}

template <class T>
class CudaDispatch : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaDispatch, RealTypes);

TYPED_TEST(CudaDispatch, EveryVariantMatchesPlainLoops) {
  const auto dispatch = kernels::dispatch_ladder<Simt, TypeParam>();
  const auto combine = kernels::combine_ladder<Simt, TypeParam>();
  const auto grad = kernels::combine_weight_grad_ladder<Simt, TypeParam>();
  ASSERT_EQ(dispatch.size(), combine.size());  // so that rungs of one technique run together
  ASSERT_EQ(dispatch.size(), grad.size());
  for (std::size_t i = 0; i < dispatch.size(); ++i) {
    SCOPED_TRACE(dispatch[i].name);
    const auto expect = [&](const Route& route) {
      expect_faces<TypeParam>(dispatch[i].run, combine[i].run, grad[i].run, route);
    };
    for (const Route& route : aligned_routes()) expect(route);
    if (!dispatch[i].needs.empty()) continue;
    for (const Route& route : odd_routes()) expect(route);
  }
}

TYPED_TEST(CudaDispatch, EntryPointsTakeAnyWidthAndAlignment) {
  for (const std::int64_t shift : {0, 1}) {
    for (const Route& route : {random_route(31, 2, 7, 33, 5), random_route(31, 2, 7, 64, 5)}) {
      expect_faces<TypeParam>(kernels::dispatch<Simt, TypeParam>, kernels::combine<Simt, TypeParam>,
                              kernels::combine_weight_grad<Simt, TypeParam>, route, shift);
    }
  }
}

TYPED_TEST(CudaDispatch, SameBitsOnAnyNumberOfThreads) {
  const Route route = random_route(127, 2, 7, 36, 20);
  const Operands<TypeParam> in(route.shape, 0);
  std::vector<Faces> results;
  for_thread_counts([&] {
    results.push_back(kernel_faces<TypeParam>(
        kernels::dispatch<Simt, TypeParam>, kernels::combine<Simt, TypeParam>,
        kernels::combine_weight_grad<Simt, TypeParam>, route, in));
  });
  for (const Faces& faces : results) EXPECT_EQ(faces, results.front());
}

TYPED_TEST(CudaDispatch, WhatAVariantDoesNotTakeIsRefusedBeforeTheLaunch) {
  alignas(16) TypeParam rows[16] = {};
  const TypeParam* const none = nullptr;
  const RouteShape small = {2, 1, 2, 4};
  const RouteShape wide = {2, 1, 2, std::int64_t{1} << 31};
  const RouteShape many = {std::int64_t{1} << 45, 2, std::int64_t{1} << 45, 4};
  Simt simt;
  for (const auto& ladder :
       {kernels::dispatch_ladder<Simt, TypeParam>(), kernels::combine_ladder<Simt, TypeParam>(),
        kernels::combine_weight_grad_ladder<Simt, TypeParam>()}) {
    for (const auto& variant : ladder) {
      const auto refused = [&](const RouteShape& shape, const TypeParam* x, const char* part) {
        const std::string text = error_text<std::invalid_argument>(
            [&] { variant.run(simt, shape, nullptr, x, none, rows); });
        EXPECT_EQ(text.find(fmt::format("[{}] ", variant.name)), 0U) << text;
        EXPECT_NE(text.find(part), std::string::npos) << text;
      };
      refused(wide, rows, "width of 2147483648");
      refused(many, rows, "blocks of ");
      if (!variant.needs.empty()) refused(small, rows + 1, "needs operands 16-byte aligned");
    }
  }
}

}  // namespace
}  // namespace switchyard::test
