#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::kernels::workbench {

/// A case runs here: on an executor with its memory and its clock.
class Device {
 public:
  virtual ~Device() = default;

  /// Memory aligned to 256 bytes. On the host exactly `bytes` long, so that AddressSanitizer sees a
  /// read past its end.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void download(void* to, const void* from, std::size_t bytes) = 0;
  /// Waits for what was launched. Errors: those of the kernels.
  virtual void synchronise() = 0;
  /// Time of one call that launches kernels.
  virtual double seconds(const std::function<void()>& call) = 0;
};

/// A device of one executor; implementations know theirs by its type.
template <class Exec>
class DeviceOf : public Device {
 public:
  virtual Exec& executor() = 0;
};

/// The devices this program was built for: "cpu", "simt", "cuda".
std::vector<std::string> device_names();
/// Says why this machine cannot run the device's kernels; empty where it can.
std::string unavailable_reason(std::string_view device);
/// Errors: std::invalid_argument for another name, std::runtime_error where it is not available.
std::unique_ptr<Device> open_device(std::string_view name);

}  // namespace switchyard::kernels::workbench
