#include "kernels/api/shape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <typeinfo>
#include <vector>

#include "kernels/api/run.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kCount = 70'001;  // more than one thread's share

template <class From, class To>
void expect_conversion() {
  SCOPED_TRACE(testing::Message() << typeid(From).name() << " to " << typeid(To).name());
  std::vector<From> x(kCount);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<From>(static_cast<float>(i % 97) + 0.5F);
  }
  Cpu cpu;
  for (const auto& rung : ladder<Cpu, Convert<From, To>>()) {
    SCOPED_TRACE(rung.name);
    std::vector<To> y(kCount + 1, static_cast<To>(99.0F));
    run_rung(cpu, rung, Convert<From, To>{.x = x.data(), .y = y.data(), .count = kCount});
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(convert_element<double>(y[i]), convert_element<double>(convert_element<To>(x[i])))
          << i;
    }
    EXPECT_EQ(convert_element<double>(y.back()), convert_element<double>(static_cast<To>(99.0F)));
  }
}

template <class... From, class... To>
void expect_conversions(TypeList<Convert<From, To>...>) {
  (expect_conversion<From, To>(), ...);
}
TEST(CpuShape, ConvertsBetweenAllElementTypes) { expect_conversions(Conversions{}); }

template <class T>
void expect_fill() {
  std::vector<T> want(kCount, T{42});
  want.push_back(T{7});
  Cpu cpu;
  for (const auto& rung : ladder<Cpu, Fill<T>>()) {
    std::vector<T> y(kCount + 1, T{7});
    run_rung(cpu, rung, Fill<T>{.y = y.data(), .value = T{42}, .count = kCount});
    EXPECT_TRUE(
        std::ranges::equal(y, want, {}, convert_element<double, T>, convert_element<double, T>))
        << rung.name;
  }
}
template <class... Types>
void expect_fills(TypeList<Types...>) {
  (expect_fill<Types>(), ...);
}
TEST(CpuShape, FillsEveryElementType) { expect_fills(ElementTypes{}); }

}  // namespace
}  // namespace switchyard::kernels
