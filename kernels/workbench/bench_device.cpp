#include "kernels/workbench/bench_device.h"

#include <fmt/format.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "kernels/api/device_clock.h"
#ifdef SWITCHYARD_SIMT
#include "kernels/simt/device_memory.h"
#include "kernels/simt/run_grid.h"
#endif
#ifdef SWITCHYARD_CUDA
#include "kernels/workbench/gpu.h"
#endif

namespace switchyard::kernels::workbench {
namespace {

/// Kernels that run in host memory, to their end before the launch returns.
template <class Exec>
class HostDevice : public DeviceOf<Exec> {
 public:
  Exec& executor() override { return executor_; }
  void* allocate(std::size_t bytes) override {
    void* const memory = ::operator new(bytes, kAlignment);
#ifdef SWITCHYARD_SIMT
    if constexpr (std::is_same_v<Exec, Simt>) simt::DeviceMemory::instance().lend(memory, bytes);
#endif
    return memory;
  }
  void release(void* memory) override {
#ifdef SWITCHYARD_SIMT
    if constexpr (std::is_same_v<Exec, Simt>) simt::DeviceMemory::instance().take_back(memory);
#endif
    ::operator delete(memory, kAlignment);
  }
  void upload(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void synchronise() override {}
  double seconds(const std::function<void()>& call) override {
    return device_seconds(executor_, call);
  }

 private:
  static constexpr std::align_val_t kAlignment{256};
  Exec executor_;
};

}  // namespace

std::vector<std::string> device_names() {
  std::vector<std::string> names = {"cpu"};
#ifdef SWITCHYARD_SIMT
  names.emplace_back("simt");
#endif
#ifdef SWITCHYARD_CUDA
  names.emplace_back("cuda");
#endif
  return names;
}

std::string unavailable_reason(std::string_view device) {
#ifdef SWITCHYARD_CUDA
  if (device == "cuda") return gpu_unavailable_reason();
#endif
  for (const std::string& name : device_names()) {
    if (name == device) return "";
  }
  return "this program was built without it";
}

std::unique_ptr<Device> open_device(std::string_view name) {
  if (name != "cpu" && name != "simt" && name != "cuda") {
    throw std::invalid_argument(
        fmt::format("no device '{}' (there are: {})", name, fmt::join(device_names(), ", ")));
  }
  if (const std::string reason = unavailable_reason(name); !reason.empty()) {
    throw std::runtime_error(fmt::format("device {} is not available: {}", name, reason));
  }
#ifdef SWITCHYARD_SIMT
  if (name == "simt") return std::make_unique<HostDevice<Simt>>();
#endif
#ifdef SWITCHYARD_CUDA
  if (name == "cuda") return open_gpu();
#endif
  return std::make_unique<HostDevice<Cpu>>();
}

}  // namespace switchyard::kernels::workbench
