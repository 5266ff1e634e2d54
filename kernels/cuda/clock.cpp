#include "kernels/api/device_clock.h"
#include "kernels/cuda/stream.h"

namespace switchyard::kernels {
namespace {

class Event {
 public:
  Event() {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDefault), "cudaEventCreateWithFlags");
  }
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) {
    check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord");
  }
  void wait() { check_cuda(cudaEventSynchronize(event_), "cudaEventSynchronize"); }
  double seconds_since(const Event& start) const {
    float milliseconds = 0.0F;
    check_cuda(cudaEventElapsedTime(&milliseconds, start.event_, event_), "cudaEventElapsedTime");
    return double{milliseconds} * 1e-3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

template <>
double device_seconds(Cuda& cuda, const std::function<void()>& call) {
  Event start;
  Event stop;
  start.record(cuda.stream);
  call();
  stop.record(cuda.stream);
  stop.wait();
  return stop.seconds_since(start);
}

template <>
std::size_t shared_cache_bytes(const Cuda& cuda) {
  int bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, cuda.device),
             "cudaDeviceGetAttribute");
  return static_cast<std::size_t>(bytes);
}

}  // namespace switchyard::kernels
