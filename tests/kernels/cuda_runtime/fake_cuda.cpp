#include "tests/kernels/cuda_runtime/fake_cuda.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace switchyard::test {

FakeCuda& FakeCuda::instance() {
  static auto* const fake = new FakeCuda;  // never destroyed: executors may end after it
  return *fake;
}

void FakeCuda::reset() {
  run_all();
  trim();
  const auto handed_out = handed_out_;
  *this = FakeCuda();
  handed_out_ = handed_out;  // a test may still hold them
}

int FakeCuda::count(const std::string& call) const {
  return static_cast<int>(std::count(calls.begin(), calls.end(), call));
}

std::size_t FakeCuda::cached_bytes() const {
  std::size_t sum = 0;
  for (const auto& [bytes, data] : cached_) sum += bytes;
  return sum;
}

std::size_t FakeCuda::device_bytes() const {
  std::size_t sum = cached_bytes();
  for (const auto& [data, bytes] : handed_out_) sum += bytes;
  return sum;
}

cudaError_t FakeCuda::enter(const char* call) {
  calls.emplace_back(call);
  const auto failure = fail_once.find(call);
  if (failure == fail_once.end()) return cudaSuccess;
  last_error = failure->second;
  fail_once.erase(failure);
  return last_error;
}

void FakeCuda::run_all() {
  run_until([this] { return queue_.empty(); });
}

void FakeCuda::run_until(const std::function<bool()>& done) {
  while (!done()) {
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();  // before it runs: it may throw
    work();
  }
}

cudaError_t FakeCuda::allocate(void** data, std::size_t bytes) {
  if (const auto fit = cached_.find(bytes); fit != cached_.end()) {
    *data = fit->second;
    cached_.erase(fit);
  } else if (bytes > total_bytes || device_bytes() > total_bytes - bytes) {
    return last_error = cudaErrorMemoryAllocation;
  } else {
    *data = std::aligned_alloc(256, bytes);
  }
  handed_out_.emplace(*data, bytes);
  if (zeroed) enqueue([block = *data, bytes] { std::memset(block, 0, bytes); });
  return cudaSuccess;
}

void FakeCuda::release(void* data) {
  const auto found = handed_out_.find(data);
  if (found == handed_out_.end()) std::abort();  // freed twice
  enqueue([data, bytes = found->second] { std::memset(data, 0xDB, bytes); });
  cached_.emplace(found->second, data);
  handed_out_.erase(found);
}

void FakeCuda::trim() {
  for (const auto& [bytes, data] : cached_) std::free(data);
  cached_.clear();
}

}  // namespace switchyard::test

// ---- the functions of the CUDA runtime that the engine calls

namespace {

using switchyard::test::FakeCuda;

FakeCuda& fake() { return FakeCuda::instance(); }

/// Stands behind a cudaEvent_t.
struct Event {
  int recorded = 0;
  int reached = 0;
  double at = 0.0;  // milliseconds
};
Event& event_of(cudaEvent_t event) { return *reinterpret_cast<Event*>(event); }

}  // namespace

extern "C" {

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    default:
      return "an error of the fake runtime";
  }
}

cudaError_t cudaGetLastError() {
  const cudaError_t last = fake().last_error;
  fake().last_error = cudaSuccess;
  return last;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = fake().driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = fake().gpus;
  return fake().last_error = fake().count_status;
}

cudaError_t cudaSetDevice(int) { return fake().enter("cudaSetDevice"); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "Fake GPU");
  properties->major = fake().major;
  properties->minor = fake().minor;
  properties->totalGlobalMem = fake().total_bytes;
  properties->multiProcessorCount = 7;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 2147483647;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->sharedMemPerBlockOptin = 232448;
  return fake().enter("cudaGetDeviceProperties");
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrL2CacheSize ? fake().cache_bytes : fake().memory_pools;
  return fake().enter("cudaDeviceGetAttribute");
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return fake().enter("cudaDeviceGetDefaultMemPool");
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  if (attribute == cudaMemPoolAttrReleaseThreshold) {
    std::memcpy(&fake().release_threshold, value, sizeof(fake().release_threshold));
  }
  return fake().enter("cudaMemPoolSetAttribute");
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  std::uint64_t bytes = fake().device_bytes();
  if (attribute == cudaMemPoolAttrUsedMemCurrent) bytes -= fake().cached_bytes();
  std::memcpy(value, &bytes, sizeof(bytes));
  return fake().enter("cudaMemPoolGetAttribute");
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) {
  fake().trim();
  return fake().enter("cudaMemPoolTrimTo");
}

cudaError_t cudaMallocFromPoolAsync(void** data, std::size_t bytes, cudaMemPool_t, cudaStream_t) {
  const cudaError_t status = fake().enter("cudaMallocFromPoolAsync");
  return status == cudaSuccess ? fake().allocate(data, bytes) : status;
}

cudaError_t cudaFreeAsync(void* data, cudaStream_t) {
  fake().release(data);
  return fake().enter("cudaFreeAsync");
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = fake().total_bytes;
  *free = *total - fake().device_bytes();
  return fake().enter("cudaMemGetInfo");
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  const cudaError_t status = fake().enter("cudaHostAlloc");
  if (status != cudaSuccess) return status;
  *data = std::malloc(bytes);
  fake().pinned_bytes += bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* data) {
  std::free(data);
  return fake().enter("cudaFreeHost");
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  static int something;
  *stream = reinterpret_cast<cudaStream_t>(&something);
  ++fake().live_streams;
  return fake().enter("cudaStreamCreateWithFlags");
}

cudaError_t cudaStreamDestroy(cudaStream_t) {
  --fake().live_streams;
  return fake().enter("cudaStreamDestroy");
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  ++fake().waits;
  fake().run_all();
  return fake().enter("cudaStreamSynchronize");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Event);
  ++fake().live_events;
  return fake().enter("cudaEventCreateWithFlags");
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete &event_of(event);
  --fake().live_events;
  return fake().enter("cudaEventDestroy");
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  const int number = ++event_of(event).recorded;
  fake().enqueue([event, number] {
    event_of(event).reached = number;
    event_of(event).at = fake().milliseconds;
  });
  return fake().enter("cudaEventRecord");
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event_of(event).reached < event_of(event).recorded) ++fake().waits;
  fake().run_until([&] { return event_of(event).reached == event_of(event).recorded; });
  return fake().enter("cudaEventSynchronize");
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  *milliseconds = static_cast<float>(event_of(stop).at - event_of(start).at);
  return fake().enter("cudaEventElapsedTime");
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  const cudaError_t status = fake().enter("cudaMemcpyAsync");
  if (status == cudaSuccess) fake().enqueue([=] { std::memcpy(to, from, bytes); });
  return status;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  const cudaError_t status = fake().enter("cudaMemsetAsync");
  if (status == cudaSuccess) {
    fake().enqueue([=] {
      std::memset(to, value, bytes);
      fake().milliseconds += 1e-6 * static_cast<double>(bytes);
    });
  }
  return status;
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) {
  return fake().enter("cudaFuncSetAttribute");
}

}  // extern "C"
