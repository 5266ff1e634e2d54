// A recorded routing in NumPy's format.

#include "analysis/moe_bench/trace.h"
#include "kernels/api/temporary_directory.h"
#include "tests/fuzz/target.h"
#include "tests/support/image_files.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryDirectory directory;
  const std::filesystem::path path = directory / "trace.npy";  // the name says what it is
  test::write_bytes(path, std::string(fuzz::text_of(data, size)));
  fuzz::may_refuse([&] {
    const Tensor choices = moe_bench::read_trace(path, {.experts = 64, .layer = 0});
    for (const std::int64_t expert : choices.span<std::int64_t>()) {
      if (expert < 0 || expert >= 64) fuzz::fail("an expert out of range");
    }
  });
  return 0;
}
