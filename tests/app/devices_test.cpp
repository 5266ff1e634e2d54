#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

json devices() { return json::parse(expect_success({"devices", "--json"})); }

TEST(DevicesTest, TheCpuIsDescribed) {
  const json cpu = devices()["cpu"];
  EXPECT_EQ(cpu["available"], true);
  EXPECT_GE(cpu["threads"], 1);
  EXPECT_FALSE(cpu["cpu"].get<std::string>().empty());
#ifdef __x86_64__
  const std::vector<std::string> sets = cpu["instruction_sets"];
  EXPECT_NE(std::find(sets.begin(), sets.end(), "avx2"), sets.end());  // or this would not run
#endif
}

TEST(DevicesTest, ADeviceIsThereOrSaysWhyNot) {
  const json all = devices();
  for (const auto& [name, device] : all.items()) {
    EXPECT_EQ(device["available"].get<bool>(), !device.contains("reason")) << name;
    EXPECT_NE(device.value("reason", "none"), "") << name;
  }
}

TEST(DevicesTest, TheTextHasALineForEachDevice) {
  const std::string text = "\n" + expect_success({"devices"});
  for (const char* name : {"cpu", "cuda", "simt"}) {
    EXPECT_NE(text.find(std::string("\n") + name + " "), std::string::npos) << text;
  }
}

TEST(DevicesTest, AskingForAGpuThatIsNotThereIsOneLineWithTheReason) {
  const json cuda = devices()["cuda"];
  if (cuda["available"]) GTEST_SKIP() << "there is a GPU";
  const std::string reason = cuda["reason"];
  expect_failure({"gradcheck", "softmax", "--device", "cuda"}, 2,
                 "device 'cuda' is not available: " + reason + "; available devices: cpu");
}

TEST(DevicesTest, CudnnOnTheCpuIsBadUsage) {
  const std::string reason = "convolutions by cudnn need the device cuda, not cpu";
  expect_failure({"gradcheck", "conv2d", "--conv", "cudnn"}, 2, reason);
  expect_failure({"gradcheck", "conv2d", "--conv", "fft"}, 2, "expected own or cudnn");
  expect_failure({"train", "--preset", "tiny", "--out", "nowhere", "--conv", "cudnn"}, 2, reason);
}

}  // namespace
}  // namespace switchyard::test
