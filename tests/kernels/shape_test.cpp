#include "kernels/api/shape.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/api/executor.h"

namespace switchyard::kernels {
namespace {

constexpr std::int64_t kCount = 70'001;  // more than one thread's share

template <class From, class To>
void expect_conversion() {
  std::vector<From> x(kCount);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<From>(static_cast<float>(i % 97) + 0.5F);
  }
  std::vector<To> y(kCount + 1, static_cast<To>(99.0F));
  Cpu cpu;
  convert(cpu, x.data(), y.data(), kCount);
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(convert_element<double>(y[i]), convert_element<double>(convert_element<To>(x[i])))
        << i;
  }
  EXPECT_EQ(convert_element<double>(y.back()), convert_element<double>(static_cast<To>(99.0F)));
}

TEST(CpuShape, ConvertsBetweenAllElementTypes) {
#define SWITCHYARD_EXPECT_CONVERSION(From, To) \
  {                                            \
    SCOPED_TRACE(#From " to " #To);            \
    expect_conversion<From, To>();             \
  }
  SWITCHYARD_CONVERSIONS(SWITCHYARD_EXPECT_CONVERSION)
}

template <class T>
void expect_fill() {
  std::vector<T> y(kCount + 1, T{7});
  Cpu cpu;
  fill(cpu, y.data(), T{42}, kCount);
  std::vector<T> want(kCount, T{42});
  want.push_back(T{7});
  EXPECT_EQ(y, want);
}
TEST(CpuShape, FillsEveryElementType) {
#define SWITCHYARD_EXPECT_FILL(T) expect_fill<T>();
  SWITCHYARD_ELEMENT_TYPES(SWITCHYARD_EXPECT_FILL)
}

}  // namespace
}  // namespace switchyard::kernels
