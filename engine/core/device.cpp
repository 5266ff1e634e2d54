#include "engine/core/device.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engine/core/on_device.h"
#include "engine/core/suggest.h"
#include "kernels/api/registry.h"
#include "kernels/cpu/libraries.h"

#ifdef SWITCHYARD_CUDA
#include "kernels/cuda/conv2d_library.h"
#endif

namespace switchyard {
namespace {

constexpr std::array kNames = {std::string_view("cpu"), std::string_view("cuda"),
                               std::string_view("simt")};  // in the order of Device
constexpr std::array kDevices = {Device::kCuda, Device::kCpu, Device::kSimt};  // by preference

std::string available_names() {
  std::vector<std::string_view> names;
  for (Device device : available_devices()) names.push_back(name(device));
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string_view name(Device device) { return kNames[static_cast<std::size_t>(device)]; }

std::string unavailable_reason(Device device) {
  switch (device) {
    case Device::kCpu:
      break;
    case Device::kCuda:
#ifdef SWITCHYARD_CUDA
      return kernels::unavailable_reason<kernels::Cuda>();
#else
      return "this build has no CUDA kernels (it was made without nvcc)";
#endif
    case Device::kSimt:
#ifndef SWITCHYARD_SIMT
      return "this build has no SIMT executor (SWITCHYARD_SIMT is off)";
#endif
      break;
  }
  return {};
}

std::vector<Device> available_devices() {
  std::vector<Device> devices;
  for (Device device : kDevices) {
    if (unavailable_reason(device).empty()) devices.push_back(device);
  }
  return devices;
}

Device parse_device(std::string_view text) {
  const auto found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) {
    const std::vector<std::string> known(kNames.begin(), kNames.end());
    throw UsageError(fmt::format("unknown device '{}', available devices: {}{}", text,
                                 available_names(), did_you_mean(text, known)));
  }
  const auto device = static_cast<Device>(found - kNames.begin());
  const std::string reason = unavailable_reason(device);
  check<UsageError>(reason.empty(), "device '{}' is not available: {}; available devices: {}", text,
                    reason, available_names);
  return device;
}

void choose_convolutions(Device device, std::string_view code) {
  const bool cudnn = code == "cudnn";
  check<UsageError>(cudnn || code == "own", "unknown convolutions '{}', expected own or cudnn",
                    code);
  check<UsageError>(!cudnn || device == Device::kCuda,
                    "convolutions by cudnn need the device cuda, not {}", name(device));
  if (!cudnn) return;
#ifdef SWITCHYARD_CUDA
  kernels::start_cudnn(kernels::default_executor<kernels::Cuda>());
#endif
  for (const std::string face : {"conv2d", "conv2d_input_grad", "conv2d_weight_grad"}) {
    kernels::choose_rung(name(device), face, face + "_cudnn");
  }
}

void choose_variant(Device device, std::string_view kernel_and_rung) {
  const std::size_t equals = kernel_and_rung.find('=');
  check<UsageError>(equals != std::string_view::npos, "variant '{}': expected KERNEL=RUNG",
                    kernel_and_rung);
  const std::string_view kernel = kernel_and_rung.substr(0, equals);
  const std::string_view rung = kernel_and_rung.substr(equals + 1);
  std::vector<std::string> names;
  for (const kernels::RegisteredKernel& each : kernels::registered_kernels()) {
    if (each.device != name(device)) continue;
    names.emplace_back(each.kernel);
    if (each.kernel != kernel) continue;
    const std::vector<std::string> rungs(each.rungs.begin(), each.rungs.end());
    check<UsageError>(std::find(rungs.begin(), rungs.end(), rung) != rungs.end(),
                      "variant '{}': on device {} {} has no rung '{}'{}; there are {}",
                      kernel_and_rung, name(device), kernel, rung, did_you_mean(rung, rungs),
                      fmt::join(rungs, ", "));
    return kernels::choose_rung(name(device), kernel, rung);
  }
  throw UsageError(fmt::format("variant '{}': device {} has no kernel '{}'{}; there are {}",
                               kernel_and_rung, name(device), kernel, did_you_mean(kernel, names),
                               fmt::join(names, ", ")));
}

std::string onednn_version() { return kernels::onednn_version(); }

void synchronise(Device device) {
  on_device(device, "synchronise", [](auto& exec) { kernels::synchronise(exec); });
}

std::string describe(Device device) {
  return on_device(device, "describe",
                   [](auto& exec) { return kernels::device_description(exec); });
}

}  // namespace switchyard
