// Takes the place of the CUDA runtime's launches: a kernel is looked up in the PTX that nvcc left
// in this program, and the X-ray runs it. Beside tests/kernels/cuda_runtime/fake_cuda.cpp, which
// stands in for memory and streams, the device cuda then works without a GPU, and every rung that
// nvcc compiled is compared with its float64 reference as it would be on one.

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/api/error.h"
#include "kernels/xray/orders.h"
#include "tests/kernels/cuda_runtime/fake_cuda.h"

namespace {

namespace xray = switchyard::kernels::xray;
using switchyard::test::FakeCuda;

/// What nvcc passes to __cudaRegisterFatBinary, and the head of what that points to.
struct FatBinaryWrapper {
  int magic, version;
  const char* data;
  void* unused;
};
struct FatBinaryHeader {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t bytes;
};

struct Kernel {
  const FatBinaryWrapper* binary;
  std::string name;
};

/// The machine: filled by initialisers of the kernels' files, which may run before this file's.
struct Machine {
  std::map<const void*, Kernel> kernels;  ///< by the host functions that stand for them
  std::map<const FatBinaryWrapper*, std::unique_ptr<xray::Code>> code;
  std::set<void*> known;  ///< blocks of the device's memory that `memory` has
  xray::Memory memory;

  static Machine& instance() {
    static auto* const machine = new Machine;
    return *machine;
  }
};

/// The PTX in a fat binary, which is there uncompressed (-no-compress).
std::string ptx_of(const FatBinaryWrapper& binary) {
  FatBinaryHeader header;
  std::memcpy(&header, binary.data, sizeof header);
  const std::string_view all(binary.data, header.header_bytes + header.bytes);
  // Cubins name the PTX version in a note as well: the text goes on with the target.
  for (std::size_t at = all.find(".version "); at != std::string_view::npos;
       at = all.find(".version ", at + 1)) {
    const std::string_view text = all.substr(at, all.find('\0', at) - at);
    if (text.find(".target ") != std::string_view::npos) return std::string(text);
  }
  return "";
}

xray::Code& code_of(const Kernel& kernel) {
  Machine& machine = Machine::instance();
  std::unique_ptr<xray::Code>& code = machine.code[kernel.binary];
  if (!code) {
    code = std::make_unique<xray::Code>(xray::Module::parse(ptx_of(*kernel.binary), "kernels.ptx"),
                                        machine.memory);
  }
  return *code;
}

using Blocks = std::map<void*, std::size_t>;

/// Tells the X-ray which blocks the device had handed out when the kernel was launched: what lies
/// between them is out of bounds.
void note_memory(const Blocks& blocks) {
  Machine& machine = Machine::instance();
  for (auto block = machine.known.begin(); block != machine.known.end();) {
    if (blocks.contains(*block)) {
      ++block;
      continue;
    }
    machine.memory.remove(*block);
    block = machine.known.erase(block);
  }
  for (const auto& [data, bytes] : blocks) {
    if (machine.known.insert(data).second) machine.memory.add(data, bytes, "a block of the device");
  }
}

/// In how many hostile orders each launch is run besides the usual one.
int hostile_orders() {
  static const char* const text = std::getenv("SWITCHYARD_XRAY_ORDERS");
  return text == nullptr ? 0 : std::atoi(text);
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments,
                   std::size_t shared_bytes) {
  Machine& machine = Machine::instance();
  const auto found = machine.kernels.find(function);
  if (found == machine.kernels.end()) return cudaErrorInvalidDeviceFunction;
  xray::Code& code = code_of(found->second);
  const std::string& name = found->second.name;
  const xray::Function& kernel = *code.module().function(name);
  std::vector<std::byte> parameters(kernel.parameter_bytes);
  for (std::size_t i = 0; i < kernel.parameters.size(); ++i) {
    const xray::Variable& one = kernel.variables[kernel.parameters[i]];
    std::memcpy(&parameters[one.offset], arguments[i], one.bytes);
  }
  const switchyard::kernels::LaunchShape shape{.grid = {grid.x, grid.y, grid.z},
                                               .block = {block.x, block.y, block.z},
                                               .dynamic_shared_bytes = shared_bytes};
  const Blocks& blocks = FakeCuda::instance().handed_out();
  FakeCuda::instance().enqueue([&code, name, shape, parameters, blocks] {
    note_memory(blocks);
    xray::LaunchOptions options;
    options.check = true;
    const xray::LaunchReport report =
        xray::launch_in_orders(code, Machine::instance().memory, name, shape, parameters, options,
                               xray::hostile_schedules(hostile_orders()));
    if (!report.findings.empty()) throw xray::Fault(report.findings[0]);
  });
  return cudaSuccess;
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* binary) { return new void*(binary); }

void __cudaRegisterFatBinaryEnd(void**) {}

void __cudaUnregisterFatBinary(void** handle) { delete handle; }

void __cudaRegisterFunction(void** handle, const char* host_function, char*,
                            const char* device_name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  Machine::instance().kernels[host_function] = {static_cast<const FatBinaryWrapper*>(*handle),
                                                device_name};
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               std::size_t shared_bytes, cudaStream_t) {
  return launch(kernel, grid, block, arguments, shared_bytes);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                             std::size_t shared_bytes, cudaStream_t) {
  return launch(function, grid, block, arguments, shared_bytes);
}

}  // extern "C"
