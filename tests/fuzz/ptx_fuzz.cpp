// This target parses PTX and runs what it accepts: each kernel with one block, parameters of zeros
// and one small buffer, for a few thousand instructions: checked, in a random order and with its
// caches measured, then with its indices followed, then as it is. Whatever a kernel does, it must
// end in an Error, in findings or in counts.

#include <cstring>
#include <string>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/xray/xray.h"
#include "tests/fuzz/target.h"

using namespace switchyard;
namespace xray = switchyard::kernels::xray;

namespace {

xray::LaunchOptions few_instructions() {
  xray::LaunchOptions options;
  options.instruction_limit = 3000;
  return options;
}

void run(xray::Code& code, xray::Memory& memory, const std::string& kernel) {
  const std::uint64_t bytes = code.parameter_bytes(kernel);
  std::vector<std::byte> parameters(bytes);
  const auto buffer =
      reinterpret_cast<std::uint64_t>(memory.allocate(4096, "buffer", xray::Contents::kUndefined));
  for (std::size_t at = 0; at + sizeof buffer <= bytes; at += sizeof buffer) {
    std::memcpy(&parameters[at], &buffer, sizeof buffer);
  }
  const kernels::LaunchShape shape{.grid = {3}, .block = {48}, .dynamic_shared_bytes = 256};
  xray::LaunchOptions checked = few_instructions();
  checked.check = true;
  checked.cache = true;
  checked.schedule = {xray::Order::kRandom, 1};
  for (const xray::Finding& one : code.launch(kernel, shape, parameters, checked).findings) {
    if (text(one).empty()) fuzz::fail("a finding without a text");
  }
  fuzz::may_refuse([&] {
    xray::LaunchOptions followed = few_instructions();
    followed.find_wraps = true;
    followed.blocks = {0, 2};
    code.launch(kernel, shape, parameters, followed);
  });
  const xray::LaunchReport report = code.launch(kernel, shape, parameters, few_instructions());
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
