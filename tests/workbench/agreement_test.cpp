// Compares every variant of every entry point with the float64 reference of its case, over the odd
// sizes and the standard one, on the devices of this build. Test names read
//   <Device>.<family>/<entry point>/<variant>/<dtype>/<sizes or "standard">
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

/// One variant on one problem, with aligned operands and with unaligned ones. A variant that needs
/// something may refuse instead. On the standard sizes, two runs must give the same bits.
class Agreement : public testing::Test {
 public:
  Agreement(const TypedEntryPoint& typed, const Implementation& implementation,
            std::vector<Sizes> sizes)
      : typed_(typed), implementation_(implementation), sizes_(std::move(sizes)) {}

  void TestBody() override {
    Device* const where = device(implementation_.device);
    if (where == nullptr) {
      GTEST_SKIP() << "no device " << implementation_.device << ": "
                   << unavailable_reason(implementation_.device);
    }
    for (const Sizes& sizes : sizes_) {
      const Problem problem = typed_.problem(sizes, 1);
      for (const std::int64_t shift : {0, 1}) {
        const Outcome outcome =
            run_case(*where, implementation_, sizes, problem,
                     {.shift = shift, .twice = shift == 0 && is_deterministic()});
        if (outcome.status == Outcome::Status::kRefused) continue;
        ++agreed_;
        EXPECT_TRUE(outcome.status == Outcome::Status::kAgrees)
            << sizes.to_string() << (shift > 0 ? ", unaligned" : "") << ": relative error "
            << outcome.error << ", allowed " << outcome.tolerance << "; " << outcome.reason;
      }
    }
    EXPECT_GE(agreed_, must_run_ ? 1 : 0) << "refuses all of the standard sizes";
  }
  /// It does not do to refuse all of them.
  Agreement* that_must_run() {
    must_run_ = true;
    return this;
  }

 private:
  /// Variants whose bits depend on the order of atomics say so in their names. The odd sizes are
  /// mostly too small for more than one order, so the standard ones do.
  bool is_deterministic() const {
    return must_run_ && implementation_.variant.find("_atomic") == std::string::npos;
  }

  const TypedEntryPoint& typed_;
  const Implementation& implementation_;
  std::vector<Sizes> sizes_;
  bool must_run_ = false;
  int agreed_ = 0;
};

std::string capitalised(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

/// Registers <Device>.<family>/<entry point>/<variant>/<dtype>/<sizes>.
void register_test(const std::string& prefix, const std::string& sizes,
                   const Implementation& implementation,
                   const std::function<testing::Test*()>& make) {
  testing::RegisterTest(capitalised(implementation.device).c_str(), (prefix + sizes).c_str(),
                        nullptr, nullptr, __FILE__, __LINE__, make);
}

void register_tests(const std::string& prefix, const EntryPoint& entry,
                    const TypedEntryPoint& typed, const Implementation& implementation) {
  std::vector<Sizes> standard;
  for (const auto& sizes : entry.standard_sizes) standard.emplace_back(entry.parameters, sizes);
  register_test(prefix, "standard", implementation, [=, &typed, &implementation] {
    return (new Agreement(typed, implementation, standard))->that_must_run();
  });
  for (const auto& values : entry.odd_sizes) {
    const Sizes sizes(entry.parameters, values);
    register_test(prefix, sizes.to_string("_", ""), implementation, [=, &typed, &implementation] {
      return new Agreement(typed, implementation, {sizes});
    });
  }
}

void register_tests() {
  for (const Family& family : kernel_families()) {
    for (const EntryPoint& entry : family.entry_points) {
      for (const TypedEntryPoint& typed : entry.types) {
        for (const Implementation& implementation : typed.implementations) {
          register_tests(fmt::format("{}/{}/{}/{}/", family.name, entry.name,
                                     implementation.variant, workbench::name(typed.type)),
                         entry, typed, implementation);
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
