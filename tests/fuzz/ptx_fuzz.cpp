// This target parses PTX and runs what it accepts: each kernel with one block, parameters of zeros
// and one small buffer, for a few thousand instructions. Whatever a kernel does, it must end in an
// Error or in counts.

#include <cstring>
#include <string>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/xray/xray.h"
#include "tests/fuzz/target.h"

using namespace switchyard;
namespace xray = switchyard::kernels::xray;

namespace {

void run(xray::Code& code, xray::Memory& memory, const std::string& kernel) {
  const std::uint64_t bytes = code.parameter_bytes(kernel);
  std::vector<std::byte> parameters(bytes);
  const auto buffer = reinterpret_cast<std::uint64_t>(memory.allocate(4096, "buffer"));
  for (std::size_t at = 0; at + sizeof buffer <= bytes; at += sizeof buffer) {
    std::memcpy(&parameters[at], &buffer, sizeof buffer);
  }
  xray::LaunchOptions options;
  options.instruction_limit = 3000;
  const kernels::LaunchShape shape{.grid = {1}, .block = {48}, .dynamic_shared_bytes = 256};
  const xray::LaunchReport report = code.launch(kernel, shape, parameters, options);
  if (report.total.access.lanes > 32 * report.total.access.warps) {
    fuzz::fail("more lanes than a warp has");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  kernels::set_thread_count(1);
  fuzz::may_refuse([&] {
    xray::Memory memory;
    xray::Code code(xray::Module::parse(std::string(fuzz::text_of(data, size)), "input.ptx"),
                    memory);
    for (const std::string& kernel : code.module().kernels()) {
      fuzz::may_refuse([&] { run(code, memory, kernel); });
    }
  });
  return 0;
}
