#pragma once

#include <gtest/gtest.h>

#include <string>

#include "engine/core/device.h"

namespace switchyard::test {

/// The devices besides the CPU, for INSTANTIATE_TEST_SUITE_P. Tests on a GPU have "/Cuda" in their
/// names, by which they get the label `gpu`.
inline auto other_devices() { return testing::Values(Device::kSimt, Device::kCuda); }

inline std::string test_name(Device device) { return device == Device::kSimt ? "Simt" : "Cuda"; }
inline std::string device_test_name(const testing::TestParamInfo<Device>& info) {
  return test_name(info.param);
}

/// Ends the test as skipped, with the reason, where this machine has no such device.
#define SWITCHYARD_NEEDS_DEVICE(device)                                                     \
  if (const std::string reason = ::switchyard::unavailable_reason(device); !reason.empty()) \
  GTEST_SKIP() << "no device " << ::switchyard::name(device) << ": " << reason

/// Tests with a device as their parameter.
class DeviceTest : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override { SWITCHYARD_NEEDS_DEVICE(GetParam()); }
};

}  // namespace switchyard::test
