// CIFAR-10's files: the first byte of the input picks the one that the rest replaces.

#include <array>

#include "data/dataset.h"
#include "kernels/api/temporary_directory.h"
#include "tests/fuzz/target.h"
#include "tests/support/image_files.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array kFiles = {"data_batch_2.bin", "test_batch.bin", "batches.meta.txt"};
  if (size == 0) return -1;  // keeps the input out of the corpus
  static const TemporaryDirectory directory;
  test::write_cifar10(directory.path(), 1);
  const std::filesystem::path path = directory / kFiles.at(data[0] % kFiles.size());
  test::write_bytes(path, std::string(fuzz::text_of(data + 1, size - 1)));
  fuzz::may_refuse([&] {
    for (const std::string& name : load_directory(directory.path()).train.class_names) {
      if (!is_plain_text(name)) fuzz::fail("a class name is no text");
    }
  });
  std::filesystem::remove(path);
  return 0;
}
