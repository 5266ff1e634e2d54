#include "kernels/api/rung_scope.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/api/device.h"
#include "kernels/api/error.h"
#include "kernels/api/host_waits.h"

namespace switchyard::kernels {
namespace {

RegisteredKernel some_kernel() {
  for (const RegisteredKernel& kernel : registered_kernels()) {
    if (kernel.device == "cpu" && kernel.rungs.size() >= 2) return kernel;
  }
  return {};
}

std::string chosen(const RegisteredKernel& kernel) {
  for (const ChosenRung& choice : chosen_rungs()) {
    if (choice.device == kernel.device && choice.kernel == kernel.kernel) return choice.rung;
  }
  return "";
}

TEST(RungScopeTest, EarlierChoicesHoldAgainAtItsEnd) {
  const RegisteredKernel kernel = some_kernel();
  const std::string name(kernel.kernel);
  const std::string first(kernel.rungs[0]);
  const std::string second(kernel.rungs[1]);
  {
    const RungScope outer("cpu", {{name, first}});
    EXPECT_EQ(chosen(kernel), first);
    {
      const RungScope inner("cpu", {{name, second}});
      EXPECT_EQ(chosen(kernel), second);
      EXPECT_EQ(inner.taken(), 0U);
    }
    EXPECT_EQ(chosen(kernel), first);
  }
  EXPECT_EQ(chosen(kernel), "");
  EXPECT_FALSE(internal::any_rung_chosen());
}

TEST(RungScopeTest, ChoosesNothingWhereOneRungIsNotThere) {
  const RegisteredKernel kernel = some_kernel();
  const std::string name(kernel.kernel);
  EXPECT_THROW(RungScope("cpu", {{name, std::string(kernel.rungs[0])}, {name, "magic"}}), Error);
  EXPECT_EQ(chosen(kernel), "");
  EXPECT_FALSE(internal::any_rung_chosen());
}

TEST(HostWaitsTest, AResultThatTheHostReadsIsOneWait) {
  const std::uint64_t before = host_waits();
  const int from = 3;
  int to = 0;
  copy_to_host(default_executor<Cpu>(), &to, &from, sizeof(to));
  EXPECT_EQ(to, 3);
  EXPECT_EQ(host_waits(), before + 1);
}

}  // namespace
}  // namespace switchyard::kernels
