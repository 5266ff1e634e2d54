// Every variant of every entry point against the float64 reference of its case, over the odd sizes
// and the standard one, on the devices of this build. Test names read
//   <Device>.<family>/<entry point>/<variant>/<dtype>/<sizes>
// with the device Cpu, Simt or Cuda.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cctype>
#include <map>
#include <memory>

#include "kernels/workbench/run_case.h"

namespace switchyard::kernels::workbench {
namespace {

/// One device per test program; why there is none, where it is missing.
Device* device(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Device>> devices;
  auto [found, is_new] = devices.try_emplace(name);
  if (is_new && unavailable_reason(name).empty()) found->second = open_device(name);
  return found->second.get();
}

/// What a variant has to do with sizes and an alignment.
enum class Demand {
  kAgree,         ///< run and agree
  kAgreeOrRefuse  ///< or say what it needs, if it needs something
};

class Agreement : public testing::Test {
 public:
  Agreement(const TypedEntryPoint& typed, const Implementation& implementation, Sizes sizes,
            Demand demand)
      : typed_(typed), implementation_(implementation), sizes_(std::move(sizes)), demand_(demand) {}

  void TestBody() override {
    Device* const where = device(implementation_.device);
    if (where == nullptr) GTEST_SKIP() << unavailable_reason(implementation_.device);
    const Problem problem = typed_.problem(sizes_, 1);
    for (const std::int64_t shift : {0, 1}) {
      const Outcome outcome = run_case(*where, implementation_, sizes_, problem, {.shift = shift});
      const bool may_refuse = demand_ == Demand::kAgreeOrRefuse || shift > 0;
      if (may_refuse && outcome.status == Outcome::Status::kRefused) continue;
      EXPECT_EQ(outcome.status, Outcome::Status::kAgrees)
          << "shift " << shift << ": relative error " << outcome.error << ", allowed "
          << outcome.tolerance << "; " << outcome.reason;
    }
  }

 private:
  const TypedEntryPoint& typed_;
  const Implementation& implementation_;
  Sizes sizes_;
  Demand demand_;
};

std::string capitalised(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

void register_test(const Family& family, const EntryPoint& entry, const TypedEntryPoint& typed,
                   const Implementation& implementation, const Sizes& sizes, Demand demand) {
  const std::string name =
      fmt::format("{}/{}/{}/{}/{}", family.name, entry.name, implementation.variant,
                  workbench::name(typed.type), sizes.to_string("_", ""));
  testing::RegisterTest(capitalised(implementation.device).c_str(), name.c_str(), nullptr, nullptr,
                        __FILE__, __LINE__, [=, &typed, &implementation]() -> testing::Test* {
                          return new Agreement(typed, implementation, sizes, demand);
                        });
}

void register_tests() {
  for (const Family& family : kernel_families()) {
    for (const EntryPoint& entry : family.entry_points) {
      for (const TypedEntryPoint& typed : entry.types) {
        for (const Implementation& implementation : typed.implementations) {
          // Every variant takes the standard sizes: one that refuses all sizes cannot pass.
          register_test(family, entry, typed, implementation, Sizes(entry.parameters),
                        Demand::kAgree);
          for (const auto& sizes : entry.odd_sizes) {
            register_test(family, entry, typed, implementation, Sizes(entry.parameters, sizes),
                          Demand::kAgreeOrRefuse);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels::workbench

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  switchyard::kernels::workbench::register_tests();
  return RUN_ALL_TESTS();
}
