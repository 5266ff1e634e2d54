#include "kernels/xray/runtime/machine.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "kernels/cuda/library_calls.h"
#include "kernels/xray/orders.h"

namespace switchyard::kernels::xray {
namespace {

Copies operator-(const Copies& a, const Copies& b) {
  return {a.count - b.count, a.bytes - b.bytes};
}

HostTraffic since(const HostTraffic& now, const HostTraffic& before) {
  return {.allocations = now.allocations - before.allocations,
          .to_device = now.to_device - before.to_device,
          .to_host = now.to_host - before.to_host,
          .within_device = now.within_device - before.within_device,
          .sets = now.sets - before.sets,
          .waits = now.waits - before.waits,
          .live_bytes = now.live_bytes,
          .peak_bytes = now.peak_bytes};
}

}  // namespace

Machine::Machine() {
  gpu_name = "X-ray";
  multiprocessors = 132;  // an H100's, whose cache it has too
  cache_bytes = 50 << 20;
  total_bytes = std::size_t{1} << 40;  // the host's own memory is the limit
}

Machine& Machine::install() {
  static auto* const machine = new Machine;  // never destroyed: executors may end after it
  use(*machine);
  forbid_library_calls();
  return *machine;
}

void Machine::begin(const std::string& name) {
  run_all();
  traffic.peak_bytes = traffic.live_bytes;
  before_ = traffic;
  recording_.passes.push_back({name, recording_.launches.size(), 0, {}});
  is_recording_ = true;
}

void Machine::record(const std::string& name, const std::function<void()>& program) {
  begin(name);
  try {
    program();
    end();
    run_all();
  } catch (...) {
    is_recording_ = false;
    forget_queue();
    take();
    throw;
  }
}

void Machine::end() {
  is_recording_ = false;
  Pass& pass = recording_.passes.back();
  pass.traffic = since(traffic, before_);
  pass.launches = recording_.launches.size() - pass.first_launch;
}

/// What follows a kernel that failed runs too, for the sake of the memory that it gives back. Its
/// own failures are consequences.
void Machine::forget_queue() {
  for (bool is_done = false; !is_done;) {
    try {
      run_all();
      is_done = true;
    } catch (const std::exception&) {
      continue;
    }
  }
}

Recording Machine::take() { return std::exchange(recording_, {}); }

Code& Machine::code_of(const CompiledKernel& kernel) {
  std::unique_ptr<Code>& code = code_[kernel.binary];
  if (!code) {
    code = std::make_unique<Code>(
        Module::parse(std::string(ptx_of(kernel.binary)), "the kernels' PTX"), memory_);
  }
  return *code;
}

cudaError_t Machine::launch(const CompiledKernel& kernel, dim3 grid, dim3 block, void** arguments,
                            std::size_t shared_bytes) {
  Code& code = code_of(kernel);
  const Function& function = *code.module().function(kernel.name);
  std::vector<std::byte> parameters(function.parameter_bytes);
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Variable& one = function.variables[function.parameters[i]];
    std::memcpy(&parameters[one.offset], arguments[i], one.bytes);
  }
  const LaunchShape shape{.grid = {grid.x, grid.y, grid.z},
                          .block = {block.x, block.y, block.z},
                          .dynamic_shared_bytes = shared_bytes};
  const bool is_recorded = is_recording_;
  const std::size_t number = recording_.launches.size();
  if (is_recorded) recording_.launches.emplace_back();
  enqueue([this, &code, name = kernel.name, shape, parameters, is_recorded, number] {
    LaunchReport report = launch_in_orders(code, memory_, name, shape, parameters, options,
                                           hostile_schedules(orders), order_instructions);
    // What is recorded tells what was found; otherwise nobody would hear of it.
    if (!is_recorded && !report.findings.empty()) throw Fault(report.findings.front());
    if (is_recorded) recording_.launches[number] = std::move(report);
  });
  return cudaSuccess;
}

void Machine::allocated(void* data, std::size_t bytes) {
  memory_.add(data, bytes, "a block of the device");
}

void Machine::released(void* data) { memory_.remove(data); }

}  // namespace switchyard::kernels::xray
