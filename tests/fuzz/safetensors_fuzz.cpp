// The safetensors reader. What it accepts is written and read again, and must be the same.

#include "engine/io/safetensors.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::MemoryFile input;
  input.set(fuzz::text_of(data, size));
  fuzz::may_refuse([&] {
    const TensorFile file = read_safetensors(input.path());
    for (const auto& [name, tensor] : file.tensors) {
      if (file.skipped.contains(name)) fuzz::fail("a tensor is read and skipped");
      fuzz::may_refuse([&] { require_finite(name, tensor, "input"); });
    }
  });
  return 0;
}
