// MNIST's files: the first byte of the input picks the one that the rest replaces, plain or
// gzipped.

#include <array>

#include "data/dataset.h"
#include "kernels/api/temporary_directory.h"
#include "tests/data/idx_files.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array kFiles = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                 "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  if (size == 0) return -1;  // keeps the input out of the corpus
  static const TemporaryDirectory directory;
  test::write_idx(directory.path(), 12, 5, 4);
  const std::filesystem::path plain = directory / kFiles.at(data[0] % kFiles.size());
  const std::filesystem::path compressed = plain.string() + ".gz";
  std::filesystem::remove(plain);
  const bool is_compressed = data[0] >= 128;  // by its name; the reader looks at the contents
  const std::filesystem::path& path = is_compressed ? compressed : plain;
  test::write_bytes(path, std::string(fuzz::text_of(data + 1, size - 1)));
  fuzz::may_refuse([&] {
    const DatasetPair pair = load_directory(directory.path());
    if (pair.train.count() != pair.train.images.size(0)) fuzz::fail("labels and images differ");
  });
  std::filesystem::remove(path);
  return 0;
}
