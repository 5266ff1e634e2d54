#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "kernels/workbench/entry_point.h"

namespace switchyard::kernels::workbench {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = SWITCHYARD_SOURCE_DIR;

TEST(Families, EveryKernelFileIsOfOneFamilyWithAPage) {
  std::multiset<std::string> claimed;
  for (const Family& family : kernel_families()) {
    EXPECT_TRUE(fs::exists(kSource / family.page)) << family.page;
    claimed.insert(family.sources.begin(), family.sources.end());
  }
  for (const auto& file : fs::directory_iterator(kSource / "kernels/cuda")) {
    if (file.path().extension() != ".cu") continue;
    const std::string name = "kernels/cuda/" + file.path().filename().string();
    EXPECT_EQ(claimed.count(name), 1U) << name;
    claimed.erase(name);
  }
  EXPECT_TRUE(claimed.empty()) << *claimed.begin() << " does not exist";
}

TEST(Families, NamesAreUniqueAndEveryCaseCoversWhatItClaims) {
  std::set<std::string> names;
  for (const Family& family : kernel_families()) {
    for (const EntryPoint& entry : family.entry_points) {
      SCOPED_TRACE(entry.name);
      EXPECT_TRUE(names.insert(entry.name).second);
      EXPECT_FALSE(entry.computes.empty());
      for (const auto* list : {&entry.standard_sizes, &entry.odd_sizes}) {
        EXPECT_FALSE(list->empty());
        for (const auto& values : *list) EXPECT_EQ(values.size(), entry.parameters.size());
      }
      for (const TypedEntryPoint& typed : entry.types) {
        std::set<std::string> variants;
        for (const Implementation& each : typed.implementations) {
          EXPECT_TRUE(variants.insert(each.device + each.variant).second) << each.variant;
        }
      }
    }
  }
}

TEST(Families, EmptyProblemsAreAmongTheOddOnes) {
  for (const Family& family : kernel_families()) {
    for (const EntryPoint& entry : family.entry_points) {
      const bool has_empty =
          std::any_of(entry.odd_sizes.begin(), entry.odd_sizes.end(), [&](const auto& values) {
            const Problem problem = entry.types.front().problem(Sizes(entry.parameters, values), 1);
            return std::any_of(
                problem.arrays().begin(), problem.arrays().end(),
                [](const Array& array) { return !array.absent && array.count == 0; });
          });
      EXPECT_TRUE(has_empty) << entry.name;
    }
  }
}

TEST(Families, TheSeedDecidesTheOperands) {
  const EntryPoint& entry = kernel_families().front().entry_points.front();
  const Sizes sizes(entry.parameters);
  const Problem first = entry.types.front().problem(sizes, 1);
  const Problem again = entry.types.front().problem(sizes, 1);
  const Problem other = entry.types.front().problem(sizes, 2);
  EXPECT_EQ(first.arrays().front().bytes, again.arrays().front().bytes);
  EXPECT_NE(first.arrays().front().bytes, other.arrays().front().bytes);
}

/// Compulsory bytes are at most every array once, and those that are read and written twice.
TEST(Families, WorkIsWhatTheArraysAllow) {
  for (const Family& family : kernel_families()) {
    for (const EntryPoint& entry : family.entry_points) {
      for (const TypedEntryPoint& typed : entry.types) {
        SCOPED_TRACE(entry.name);
        const Sizes sizes(entry.parameters, entry.standard_sizes.front());
        const Problem problem = typed.problem(sizes, 1);
        const Work work = typed.work(sizes, problem);
        double most = 0.0;
        for (const Array& array : problem.arrays()) {
          most += static_cast<double>(array.bytes.size()) * (array.updated ? 2.0 : 1.0);
        }
        EXPECT_GT(work.bytes, 0.0);
        EXPECT_LE(work.bytes, most);
        EXPECT_GE(work.flops, 0.0);
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::kernels::workbench
