#include "kernels/workbench/gpu.h"

#ifdef SWITCHYARD_CUDA

#include <unordered_map>

#include "kernels/api/device.h"
#include "kernels/api/device_clock.h"
#include "kernels/cuda/stream.h"

namespace switchyard::kernels::workbench {
namespace {

/// The GPU behind the engine's own executor, in memory from its allocator.
class Gpu : public DeviceOf<Cuda> {
 public:
  Cuda& executor() override { return cuda_; }
  void* allocate(std::size_t bytes) override {
    const MemoryBlock block = kernels::allocate(cuda_, bytes);
    blocks_.emplace(block.data, block);
    return block.data;
  }
  void release(void* memory) override {
    const auto found = blocks_.find(memory);
    kernels::release(cuda_, found->second);
    blocks_.erase(found);
  }
  void upload(void* to, const void* from, std::size_t bytes) override {
    copy_to_device(cuda_, to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    copy_to_host(cuda_, to, from, bytes);
  }
  void synchronise() override { kernels::synchronise(cuda_); }
  double seconds(const std::function<void()>& call) override { return device_seconds(cuda_, call); }

 private:
  Cuda& cuda_ = default_executor<Cuda>();
  std::unordered_map<void*, MemoryBlock> blocks_;
};

}  // namespace

std::string gpu_unavailable_reason() { return kernels::unavailable_reason<Cuda>(); }
std::unique_ptr<Device> open_gpu() { return std::make_unique<Gpu>(); }

}  // namespace switchyard::kernels::workbench

#endif  // SWITCHYARD_CUDA
