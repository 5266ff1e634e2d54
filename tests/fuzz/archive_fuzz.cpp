// The archive of CIFAR-10: nothing appears beside the files that it may hold, none is too long.

#include "data/unpack.h"
#include "kernels/api/temporary_directory.h"
#include "tests/fuzz/target.h"

using namespace switchyard;
namespace fs = std::filesystem;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uintmax_t kMaxBytes = 10'000;
  static fuzz::MemoryFile input;
  static const TemporaryDirectory directory;
  input.set(fuzz::text_of(data, size));
  const fs::path inside = directory / "inside";
  fs::create_directory(inside);
  fuzz::may_refuse([&] {
    unpack(input.path(), "cifar-10-batches-bin", {"data_batch_1.bin", "test_batch.bin"}, kMaxBytes,
           inside);
  });
  for (const auto& entry : fs::directory_iterator(inside)) {
    const std::string name = entry.path().filename().string();
    if (name != "data_batch_1.bin" && name != "test_batch.bin") fuzz::fail("an unknown file");
    if (!entry.is_regular_file() || entry.file_size() > kMaxBytes) fuzz::fail("a bad file");
  }
  for (const auto& entry : fs::directory_iterator(directory.path())) {
    if (entry.path() != inside) fuzz::fail("a file outside of the directory");
  }
  fs::remove_all(inside);
  return 0;
}
