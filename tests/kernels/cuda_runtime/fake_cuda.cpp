#include "tests/kernels/cuda_runtime/fake_cuda.h"

#include <algorithm>

namespace switchyard::test {
namespace {

/// The program has no other runtime from the start.
const bool kInUse = [] {
  kernels::xray::HostRuntime::use(FakeCuda::instance());
  return true;
}();

}  // namespace

FakeCuda& FakeCuda::instance() {
  static auto* const fake = new FakeCuda;  // never destroyed: executors may end after it
  return *fake;
}

void FakeCuda::reset() {
  trim();
  FakeCuda fresh;
  fresh.handed_out_ = handed_out_;  // a test may still hold them
  fresh.traffic.live_bytes = device_bytes();
  fresh.on_launch = on_launch;
  *this = fresh;
}

int FakeCuda::count(const std::string& call) const {
  return static_cast<int>(std::count(calls.begin(), calls.end(), call));
}

cudaError_t FakeCuda::enter(const char* call) {
  calls.emplace_back(call);
  const auto failure = fail_once.find(call);
  if (failure == fail_once.end()) return cudaSuccess;
  last_error = failure->second;
  fail_once.erase(failure);
  return last_error;
}

cudaError_t FakeCuda::launch(const kernels::xray::CompiledKernel& kernel, dim3 /*grid*/,
                             dim3 /*block*/, void** /*arguments*/, std::size_t /*shared_bytes*/) {
  if (!on_launch) return cudaErrorInvalidDeviceFunction;
  on_launch(kernel);
  return cudaSuccess;
}

}  // namespace switchyard::test
