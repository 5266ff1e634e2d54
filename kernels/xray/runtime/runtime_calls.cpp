// The functions of the CUDA runtime that the engine and nvcc's code call, once more: the linker
// sends every call of NAME here, to __wrap_NAME, and knows the real one as __real_NAME
// (--wrap=NAME, for the names of cmake/xray_runtime.cmake). Each asks which runtime is meant. With
// the real one that is a test of a pointer.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "kernels/xray/runtime/host_runtime.h"

namespace {

using switchyard::kernels::xray::HostRuntime;

struct Event {
  int recorded = 0;
  int reached = 0;
  double at = 0.0;  // milliseconds
};
/// Stands behind a cudaEvent_t. What is enqueued may outlive the event's destruction.
using EventHandle = std::shared_ptr<Event>;
EventHandle& event_of(cudaEvent_t event) { return *reinterpret_cast<EventHandle*>(event); }

/// The launch between <<<...>>> and the kernel's host function.
struct Configuration {
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
};
thread_local Configuration pushed;

std::recursive_mutex calls;

/// Calls body(runtime) for the runtime that is in use.
template <class Body>
auto on_host(const Body& body) {
  const std::lock_guard lock(calls);
  return body(*HostRuntime::active());
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments,
                   std::size_t shared_bytes) {
  const auto* kernel = switchyard::kernels::xray::find_kernel(function);
  if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
  return on_host([&](HostRuntime& host) {
    return host.launch(*kernel, grid, block, arguments, shared_bytes);
  });
}

void copy(HostRuntime& host, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  (kind == cudaMemcpyHostToDevice   ? host.traffic.to_device
   : kind == cudaMemcpyDeviceToHost ? host.traffic.to_host
                                    : host.traffic.within_device)
      .add(bytes);
  host.enqueue([=] { std::memcpy(to, from, bytes); });
}

void set(HostRuntime& host, void* to, int value, std::size_t bytes) {
  host.traffic.sets.add(bytes);
  host.enqueue([&host, to, value, bytes] {
    std::memset(to, value, bytes);
    host.milliseconds += 1e-6 * static_cast<double>(bytes);
  });
}

cudaDeviceProp properties_of(const HostRuntime& host) {
  cudaDeviceProp properties{};
  std::strncpy(properties.name, host.gpu_name, sizeof properties.name - 1);
  properties.major = host.major;
  properties.minor = host.minor;
  properties.totalGlobalMem = host.total_bytes;
  properties.multiProcessorCount = host.multiprocessors;
  properties.maxThreadsPerBlock = 1024;
  properties.maxThreadsDim[0] = properties.maxThreadsDim[1] = 1024;
  properties.maxThreadsDim[2] = 64;
  properties.maxGridSize[0] = 2147483647;
  properties.maxGridSize[1] = properties.maxGridSize[2] = 65535;
  properties.sharedMemPerBlockOptin = 232448;  // 227 KiB, as compute capability 9.0 has it
  return properties;
}

const char* error_text(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDeviceFunction:
      return "invalid device function";
    default:
      return "an error of the runtime on the host";
  }
}

}  // namespace

// SWITCHYARD_WRAP(cudaMemcpyAsync) declares both functions with the type of the header. In two
// steps, since some names are macros for others.
#define SWITCHYARD_WRAP_EXPANDED(name) \
  extern decltype(name) __real_##name; \
  extern decltype(name) __wrap_##name
#define SWITCHYARD_WRAP(name) SWITCHYARD_WRAP_EXPANDED(name)
#define SWITCHYARD_REAL_EXPANDED(name) __real_##name
#define SWITCHYARD_REAL(name) SWITCHYARD_REAL_EXPANDED(name)
#define SWITCHYARD_HERE_EXPANDED(name) __wrap_##name
#define SWITCHYARD_HERE(name) SWITCHYARD_HERE_EXPANDED(name)

// Defines the function that calls of `name` go to: the real one's result, or that of the body,
// which is a lambda of the HostRuntime in whose enter() the call has begun.
#define SWITCHYARD_CALL(name, parameters, arguments, ...)                         \
  SWITCHYARD_WRAP(name);                                                          \
  cudaError_t SWITCHYARD_HERE(name) parameters {                                  \
    if (HostRuntime::active() == nullptr) return SWITCHYARD_REAL(name) arguments; \
    return on_host([&](HostRuntime& host) -> cudaError_t {                        \
      const cudaError_t status = host.enter(#name);                               \
      if (status != cudaSuccess) return status;                                   \
      __VA_ARGS__;                                                                \
      return cudaSuccess;                                                         \
    });                                                                           \
  }

extern "C" {

// ---- what there is

SWITCHYARD_WRAP(cudaGetErrorString);
const char* __wrap_cudaGetErrorString(cudaError_t status) {
  return HostRuntime::active() == nullptr ? __real_cudaGetErrorString(status) : error_text(status);
}

SWITCHYARD_CALL(cudaGetLastError, (), (), {
  const cudaError_t last = host.last_error;
  host.last_error = cudaSuccess;
  return last;
})

SWITCHYARD_CALL(cudaDriverGetVersion, (int* version), (version), *version = host.driver_version)
SWITCHYARD_CALL(cudaRuntimeGetVersion, (int* version), (version), *version = CUDART_VERSION)

SWITCHYARD_CALL(cudaGetDeviceCount, (int* count), (count), {
  *count = host.gpus;
  return host.last_error = host.count_status;
})

SWITCHYARD_CALL(cudaSetDevice, (int device), (device), static_cast<void>(device))
SWITCHYARD_CALL(cudaGetDeviceProperties, (cudaDeviceProp * properties, int device),
                (properties, device), *properties = properties_of(host))

SWITCHYARD_CALL(cudaDeviceGetAttribute, (int* value, cudaDeviceAttr attribute, int device),
                (value, attribute, device),
                *value = attribute == cudaDevAttrL2CacheSize ? host.cache_bytes : host.memory_pools)

// ---- memory

SWITCHYARD_CALL(cudaDeviceGetDefaultMemPool, (cudaMemPool_t * pool, int device), (pool, device),
                *pool = nullptr)

SWITCHYARD_CALL(cudaMemPoolSetAttribute,
                (cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value),
                (pool, attribute, value), {
                  if (attribute == cudaMemPoolAttrReleaseThreshold) {
                    std::memcpy(&host.release_threshold, value, sizeof host.release_threshold);
                  }
                })

SWITCHYARD_CALL(cudaMemPoolGetAttribute,
                (cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value),
                (pool, attribute, value), {
                  std::uint64_t bytes = host.device_bytes();
                  if (attribute == cudaMemPoolAttrUsedMemCurrent) bytes -= host.cached_bytes();
                  std::memcpy(value, &bytes, sizeof bytes);
                })

SWITCHYARD_CALL(cudaMemPoolTrimTo, (cudaMemPool_t pool, std::size_t keep), (pool, keep),
                host.trim())

SWITCHYARD_CALL(cudaMallocFromPoolAsync,
                (void** data, std::size_t bytes, cudaMemPool_t pool, cudaStream_t stream),
                (data, bytes, pool, stream), return host.allocate(data, bytes))

SWITCHYARD_CALL(cudaFreeAsync, (void* data, cudaStream_t stream), (data, stream),
                host.release(data))

SWITCHYARD_CALL(cudaMemGetInfo, (std::size_t * free, std::size_t* total), (free, total), {
  *total = host.total_bytes;
  *free = *total - host.device_bytes();
})

SWITCHYARD_CALL(cudaHostAlloc, (void** data, std::size_t bytes, unsigned flags),
                (data, bytes, flags), {
                  *data = std::malloc(bytes);
                  if (*data == nullptr) return host.last_error = cudaErrorMemoryAllocation;
                  host.pinned_bytes += bytes;
                })

SWITCHYARD_CALL(cudaFreeHost, (void* data), (data), std::free(data))

// ---- streams and events

SWITCHYARD_CALL(cudaStreamCreateWithFlags, (cudaStream_t * stream, unsigned flags), (stream, flags),
                {
                  static int something;
                  *stream = reinterpret_cast<cudaStream_t>(&something);
                  ++host.live_streams;
                })

SWITCHYARD_CALL(cudaStreamDestroy, (cudaStream_t stream), (stream), --host.live_streams)

SWITCHYARD_CALL(cudaStreamSynchronize, (cudaStream_t stream), (stream), {
  ++host.traffic.waits;
  host.run_all();
})

SWITCHYARD_CALL(cudaEventCreateWithFlags, (cudaEvent_t * event, unsigned flags), (event, flags), {
  *event = reinterpret_cast<cudaEvent_t>(new EventHandle(std::make_shared<Event>()));
  ++host.live_events;
})

SWITCHYARD_CALL(cudaEventDestroy, (cudaEvent_t event), (event), {
  delete &event_of(event);
  --host.live_events;
})

SWITCHYARD_CALL(cudaEventRecord, (cudaEvent_t event, cudaStream_t stream), (event, stream), {
  const EventHandle recorded = event_of(event);
  host.enqueue([recorded, number = ++recorded->recorded, &host] {
    recorded->reached = number;
    recorded->at = host.milliseconds;
  });
})

SWITCHYARD_CALL(cudaEventSynchronize, (cudaEvent_t event), (event), {
  const EventHandle awaited = event_of(event);
  const auto is_reached = [&] { return awaited->reached == awaited->recorded; };
  if (!is_reached()) ++host.traffic.waits;
  host.run_until(is_reached);
})

SWITCHYARD_CALL(cudaEventElapsedTime, (float* milliseconds, cudaEvent_t start, cudaEvent_t stop),
                (milliseconds, start, stop),
                *milliseconds = static_cast<float>(event_of(stop)->at - event_of(start)->at))

// ---- work

SWITCHYARD_CALL(cudaMemcpyAsync,
                (void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t stream),
                (to, from, bytes, kind, stream), copy(host, to, from, bytes, kind))

SWITCHYARD_CALL(cudaMemsetAsync, (void* to, int value, std::size_t bytes, cudaStream_t stream),
                (to, value, bytes, stream), set(host, to, value, bytes))

SWITCHYARD_CALL(cudaFuncSetAttribute,
                (const void* function, cudaFuncAttribute attribute, int value),
                (function, attribute, value), static_cast<void>(function))

SWITCHYARD_WRAP(cudaLaunchKernel);
cudaError_t __wrap_cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                                    std::size_t shared_bytes, cudaStream_t stream) {
  if (HostRuntime::active() == nullptr) {
    return __real_cudaLaunchKernel(function, grid, block, arguments, shared_bytes, stream);
  }
  return launch(function, grid, block, arguments, shared_bytes);
}

// ---- what nvcc's code calls, which no header of the runtime's users declares: before main() to
// register kernels, and between <<<...>>> and the launch.

void** __real___cudaRegisterFatBinary(void* binary);
void** __wrap___cudaRegisterFatBinary(void* binary) {
  void** const handle = __real___cudaRegisterFatBinary(binary);
  switchyard::kernels::xray::note_fat_binary(handle, binary);
  return handle;
}

void __real___cudaRegisterFunction(void** handle, const char* host_function, char* device_function,
                                   const char* device_name, int thread_limit, uint3* thread,
                                   uint3* block, dim3* block_extent, dim3* grid_extent, int* size);
void __wrap___cudaRegisterFunction(void** handle, const char* host_function, char* device_function,
                                   const char* device_name, int thread_limit, uint3* thread,
                                   uint3* block, dim3* block_extent, dim3* grid_extent, int* size) {
  switchyard::kernels::xray::note_kernel(handle, host_function, device_name);
  __real___cudaRegisterFunction(handle, host_function, device_function, device_name, thread_limit,
                                thread, block, block_extent, grid_extent, size);
}

unsigned __real___cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared_bytes,
                                            cudaStream_t stream);
unsigned __wrap___cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared_bytes,
                                            cudaStream_t stream) {
  if (HostRuntime::active() == nullptr) {
    return __real___cudaPushCallConfiguration(grid, block, shared_bytes, stream);
  }
  pushed = {grid, block, shared_bytes, stream};
  return 0;
}

cudaError_t __real___cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared_bytes,
                                              void* stream);
cudaError_t __wrap___cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared_bytes,
                                              void* stream) {
  if (HostRuntime::active() == nullptr) {
    return __real___cudaPopCallConfiguration(grid, block, shared_bytes, stream);
  }
  *grid = pushed.grid;
  *block = pushed.block;
  *shared_bytes = pushed.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = pushed.stream;
  return cudaSuccess;
}

#if CUDART_VERSION >= 12000  // nvcc's code launches by a handle since then

cudaError_t __real___cudaGetKernel(cudaKernel_t* kernel, const void* function);
cudaError_t __wrap___cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  if (HostRuntime::active() == nullptr) return __real___cudaGetKernel(kernel, function);
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t __real___cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                                      std::size_t shared_bytes, cudaStream_t stream);
cudaError_t __wrap___cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                                      std::size_t shared_bytes, cudaStream_t stream) {
  if (HostRuntime::active() == nullptr) {
    return __real___cudaLaunchKernel(kernel, grid, block, arguments, shared_bytes, stream);
  }
  return launch(kernel, grid, block, arguments, shared_bytes);
}

#endif

}  // extern "C"
