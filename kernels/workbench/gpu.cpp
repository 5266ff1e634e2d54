#include "kernels/workbench/gpu.h"

#ifdef SWITCHYARD_CUDA

#include <unordered_map>

#include "kernels/api/device.h"
#include "kernels/cuda/stream.h"

namespace switchyard::kernels::workbench {
namespace {

/// A pair of events around a call: the time that the device spent on it (CUDA C++ Programming
/// Guide, "Elapsed Time").
class EventTimer {
 public:
  EventTimer() {
    check_cuda(cudaEventCreate(&start_), "cudaEventCreate");
    check_cuda(cudaEventCreate(&stop_), "cudaEventCreate");
  }
  ~EventTimer() {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
  }
  EventTimer(const EventTimer&) = delete;
  EventTimer& operator=(const EventTimer&) = delete;

  double seconds(cudaStream_t stream, const std::function<void()>& call) {
    check_cuda(cudaEventRecord(start_, stream), "cudaEventRecord");
    call();
    check_cuda(cudaEventRecord(stop_, stream), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(stop_), "cudaEventSynchronize");
    float milliseconds = 0.0F;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
    return double{milliseconds} * 1e-3;
  }

 private:
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
};

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
  double seconds(const std::function<void()>& call) override {
    return timer_.seconds(cuda_.stream, call);
  }

 private:
  Cuda& cuda_ = default_executor<Cuda>();
  EventTimer timer_;
  std::unordered_map<void*, MemoryBlock> blocks_;
};

}  // namespace

std::string gpu_unavailable_reason() { return kernels::unavailable_reason<Cuda>(); }
std::unique_ptr<Device> open_gpu() { return std::make_unique<Gpu>(); }

}  // namespace switchyard::kernels::workbench

#endif  // SWITCHYARD_CUDA
