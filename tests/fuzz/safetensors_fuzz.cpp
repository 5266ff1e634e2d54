// This target runs the safetensors reader. No tensor is both read and passed over, and looking for
// values that are not finite is safe in each.

#include "engine/io/safetensors.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::MemoryFile input;
  input.set(fuzz::text_of(data, size));
  fuzz::may_refuse([&] {
    const TensorFile file = read_safetensors(input.path());
    for (const auto& entry : file.tensors) {
      if (file.skipped.contains(entry.first)) fuzz::fail("a tensor is read and skipped");
      fuzz::may_refuse([&] { require_finite(entry.first, entry.second, "input"); });
    }
  });
  return 0;
}
