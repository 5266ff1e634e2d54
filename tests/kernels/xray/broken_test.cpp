#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/kernels/xray/run_ptx.h"

// Kernels that are broken on purpose (ptx/broken_*.cu), each with comments that say what must be
// found where; and kernels that are right in ways that look like faults (ptx/right.cu).

namespace switchyard::kernels::xray::test {
namespace {

/// A detector's name and the line of the source; 0 where a finding has none.
using Place = std::pair<std::string, std::uint32_t>;

/// What the comments of a source say, by kernel.
std::map<std::string, std::set<Place>> expected_in(const std::string& file) {
  static const std::regex kernel(R"(^KERNEL\((\w+)\))"), mark(R"(//! (\w+))");
  std::map<std::string, std::set<Place>> expected;
  std::istringstream lines(ptx_file(file));
  std::string line, name;
  for (std::uint32_t number = 1; std::getline(lines, line); ++number) {
    std::smatch found;
    const bool begins = std::regex_search(line, found, kernel);
    if (begins) {
      name = found[1];
      expected[name];
    }
    if (name.empty()) continue;  // the comment at the head of the file
    const auto marks = std::sregex_iterator(line.begin(), line.end(), mark);
    for (auto one = marks; one != std::sregex_iterator(); ++one) {
      expected[name].insert({(*one)[1], begins ? 0 : number});
    }
  }
  return expected;
}

/// The kernels of a source, with the source's name before its ending.
struct SourceKernel {
  std::string source, kernel;
};

std::vector<SourceKernel> kernels_in(const std::vector<std::string>& sources) {
  std::vector<SourceKernel> all;
  for (const std::string& source : sources) {
    for (const auto& [kernel, places] : expected_in(source + ".cu"))
      all.push_back({source, kernel});
  }
  return all;
}

std::string test_name(const testing::TestParamInfo<SourceKernel>& info) {
  return info.param.kernel;
}

const std::vector<std::string> kBroken = {"broken_memory", "broken_threads"};

/// The buffers that every kernel of these files gets.
struct Outcome {
  LaunchReport report;
  std::vector<float> y;
  std::vector<std::uint32_t> flags;
};

Outcome run(Ptx& ptx, const std::string& kernel, const Schedule& schedule) {
  constexpr std::size_t kNumbers = 4096, kFlags = 64;
  std::vector<float> values(kNumbers);
  for (std::size_t i = 0; i < kNumbers; ++i) values[i] = static_cast<float>(i);
  const float* x = ptx.buffer(values, "x");
  const std::uint32_t* flags = ptx.buffer(std::vector<std::uint32_t>(kFlags), "flags");
  const bool is_result = kernel.starts_with("result_");
  auto* y = reinterpret_cast<float*>(ptx.memory().allocate(
      (is_result ? 256 : kNumbers) * sizeof(float), "y", Contents::kUndefined));
  if (is_result) ptx.memory().expect_result(y, sizeof(float));
  const float* old = ptx.buffer(values, "old");
  ptx.memory().remove(old);
  LaunchOptions options = checked();
  options.schedule = schedule;
  options.instruction_limit = 50'000'000;  // blocks that wait for others spin
  Outcome done;
  done.report = ptx.run_with(
      options, kernel, {.grid = {4}, .block = {64}, .dynamic_shared_bytes = 512}, x, y, flags, old);
  done.y.assign(y, y + (is_result ? 256 : kNumbers));
  done.flags.assign(flags, flags + kFlags);
  return done;
}

std::string text_of(const std::vector<Finding>& findings) {
  std::string all;
  for (const Finding& one : findings) {
    all += std::string(name(one.detector)) + ": " + text(one) + "\n";
  }
  return all;
}

class XrayBroken : public testing::TestWithParam<SourceKernel> {};

TEST_P(XrayBroken, IsFoundWhereTheCommentSays) {
  const auto& [source, kernel] = GetParam();
  Ptx ptx(ptx_file(source + ".ptx"), source + ".ptx");
  const std::vector<Finding> findings = run(ptx, kernel, {}).report.findings;
  std::set<Place> found;
  for (const Finding& one : findings) {
    found.insert({name(one.detector), one.line});
    EXPECT_TRUE(one.line == 0 || one.file == source + ".cu") << one.file;
    const bool has_other = one.detector == Detector::kRace || one.detector == Detector::kBlockRace;
    EXPECT_EQ(one.other.has_value() && !one.other->place.empty(),
              has_other || (one.detector == Detector::kAsyncCopy && one.other.has_value()));
    const bool has_array = has_other || one.detector <= Detector::kUninitialised;
    EXPECT_TRUE(!has_array || !one.array.empty()) << text(one);
  }
  EXPECT_EQ(found, expected_in(source + ".cu").at(kernel)) << text_of(findings);
}

INSTANTIATE_TEST_SUITE_P(Kernels, XrayBroken, testing::ValuesIn(kernels_in(kBroken)), test_name);

TEST(XrayBrokenKernels, EveryDetectorHasSeveral) {
  std::map<std::string, int> kernels;
  std::map<std::string, std::set<Place>> expected;
  for (const std::string& source : kBroken) expected.merge(expected_in(source + ".cu"));
  for (const auto& [kernel, places] : expected) {
    EXPECT_FALSE(places.empty()) << kernel;
    std::set<std::string> detectors;
    for (const Place& place : places) detectors.insert(place.first);
    for (const std::string& detector : detectors) ++kernels[detector];
  }
  EXPECT_GE(expected.size(), 40U);
  for (int i = 0; i < static_cast<int>(Detector::kNoProgress); ++i) {
    const auto one = static_cast<Detector>(i);
    if (one == Detector::kWrap || one == Detector::kOrder) continue;  // tests of their own
    const char* const detector = name(one);
    EXPECT_GE(kernels[detector], 2) << detector;
  }
}

class XrayRight : public testing::TestWithParam<SourceKernel> {};

TEST_P(XrayRight, PassesAndGivesTheSameBitsInEveryOrder) {
  Outcome first;
  const std::vector<Schedule> schedules{{Order::kTogether, 1},
                                        {Order::kReverse, 1},
                                        {Order::kRandom, 1},
                                        {Order::kRandom, 2},
                                        {Order::kRandom, 3}};
  for (const Schedule& schedule : schedules) {
    Ptx ptx(ptx_file("right.ptx"), "right.ptx");
    const Outcome done = run(ptx, GetParam().kernel, schedule);
    EXPECT_EQ(text_of(done.report.findings), "");
    if (schedule == schedules[0]) {
      first = done;
      continue;
    }
    EXPECT_EQ(done.y, first.y);
    EXPECT_EQ(done.flags, first.flags);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, XrayRight, testing::ValuesIn(kernels_in({"right"})), test_name);

}  // namespace
}  // namespace switchyard::kernels::xray::test
