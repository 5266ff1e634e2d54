#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "data/byte_stream.h"
#include "data/dataset.h"
#include "data/known_files.h"
#include "engine/io/files.h"
#include "engine/io/path_text.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

// http://yann.lecun.com/exdb/mnist: two zero bytes, the element type (8: unsigned byte), the number
// of dimensions; then the dimensions as big-endian 32-bit integers; then the elements.
constexpr std::uint32_t kImagesMagic = 0x00000803;
constexpr std::uint32_t kLabelsMagic = 0x00000801;
constexpr std::int64_t kClasses = 10;

/// Keeps in mind which known data set the files belong to.
class Recognition {
 public:
  /// Takes a file into account. Error where it belongs to another data set than one before it.
  void add(ByteStream& file) {
    const KnownDataset* found = dataset_of_file(file.sha256());
    if (found == nullptr) return;
    check(dataset_ == nullptr || dataset_ == found, "{}: this file is {}'s, but {} is {}'s",
          file.path().string(), found->name, first_.string(),
          dataset_ != nullptr ? dataset_->name : "");
    dataset_ = found;
    first_ = file.path();
  }
  const KnownDataset* dataset() const { return dataset_; }

 private:
  const KnownDataset* dataset_ = nullptr;
  fs::path first_;
};

/// The file `prefix`-`kind`, its parts joined by a dash or a dot, plain or compressed.
fs::path find_file(const fs::path& directory, const std::string& prefix, const std::string& kind) {
  for (const char* joint : {"-", "."}) {
    for (const char* end : {"", ".gz"}) {
      fs::path candidate = directory / (prefix + joint + kind + end);
      if (path_exists(candidate)) return candidate;
    }
  }
  throw Error(
      fmt::format("{}: missing, also with .gz", (directory / (prefix + "-" + kind)).string()));
}

/// [N, rows, columns, 1]
Tensor read_images(const fs::path& path, Recognition& recognition) {
  ByteStream stream(path);
  const std::uint32_t magic = stream.read_integer();
  check(magic == kImagesMagic,
        "{}: not an IDX file of images: magic number {:#010x}, expected {:#010x}", path.string(),
        magic, kImagesMagic);
  const std::int64_t count = stream.read_integer();
  const std::int64_t rows = stream.read_integer();
  const std::int64_t columns = stream.read_integer();
  check(count > 0 && rows > 0 && columns > 0 && rows <= kMaxIdxSide && columns <= kMaxIdxSide,
        "{}: {} images of {}x{} pixels, expected at least one and sides of 1 to {}", path.string(),
        count, rows, columns, kMaxIdxSide);
  check(count <= kMaxIdxImages && count * rows * columns <= kMaxIdxBytes,
        "{}: {} images of {}x{} pixels, expected at most {} images and {} bytes", path.string(),
        count, rows, columns, kMaxIdxImages, kMaxIdxBytes);
  stream.require_room(count * rows * columns);
  Tensor images = Tensor::empty({count, rows, columns, 1}, DType::kUInt8);
  stream.read_rest(images.data<std::uint8_t>(), images.numel());
  recognition.add(stream);
  return images;
}

/// [N]
Tensor read_labels(const fs::path& path, std::int64_t images, Recognition& recognition) {
  ByteStream stream(path);
  const std::uint32_t magic = stream.read_integer();
  check(magic == kLabelsMagic,
        "{}: not an IDX file of labels: magic number {:#010x}, expected {:#010x}", path.string(),
        magic, kLabelsMagic);
  const std::int64_t count = stream.read_integer();
  check(count == images, "{}: {} labels for {} images", path.string(), count, images);
  stream.require_room(count);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  stream.read_rest(bytes.data(), count);
  const auto bad = std::ranges::find_if(bytes, [](std::uint8_t b) { return b >= kClasses; });
  check(bad == bytes.end(), "{}: record {} has label {}, expected 0 to {}", path.string(),
        bad - bytes.begin(), bad == bytes.end() ? 0 : *bad, kClasses - 1);
  recognition.add(stream);
  return Tensor::from<std::int64_t>({count}, std::vector<std::int64_t>(bytes.begin(), bytes.end()));
}

/// Mean and deviation of pixel / 255, exact: sums of bytes and of their squares fit in 64 bits.
std::pair<double, double> pixel_statistics(const Tensor& images) {
  std::array<std::int64_t, 256> histogram{};
  for (const std::uint8_t pixel : images.span<std::uint8_t>()) ++histogram[pixel];
  std::int64_t sum = 0;
  std::int64_t squares = 0;
  for (std::int64_t value = 0; value < 256; ++value) {
    sum += histogram[static_cast<std::size_t>(value)] * value;
    squares += histogram[static_cast<std::size_t>(value)] * value * value;
  }
  const auto count = static_cast<double>(images.numel());
  const double mean = static_cast<double>(sum) / count;
  const double variance = static_cast<double>(squares) / count - mean * mean;
  return {mean / 255, std::sqrt(std::max(variance, 0.0)) / 255};
}

ImageDataset read_set(const fs::path& directory, const std::string& prefix,
                      Recognition& recognition) {
  ImageDataset set;
  set.directory = text_of_path(directory);
  set.images = read_images(find_file(directory, prefix, "images-idx3-ubyte"), recognition);
  set.labels = read_labels(find_file(directory, prefix, "labels-idx1-ubyte"), set.images.size(0),
                           recognition);
  set.classes = kClasses;
  return set;
}

/// Gives both parts a name, and the class names and the symmetry of `like`.
void describe(DatasetPair& pair, const std::string& name, const KnownDataset& like) {
  for (ImageDataset* set : {&pair.train, &pair.test}) {
    set->name = name;
    set->class_names = like.class_names;
    set->mirror_keeps_class = like.mirror_keeps_class;
  }
}

}  // namespace

DatasetPair load_idx(const fs::path& directory) {
  const fs::path absolute = absolute_directory(directory);
  Recognition recognition;
  ImageDataset train = read_set(absolute, "train", recognition);
  DatasetPair pair{std::move(train), read_set(absolute, "t10k", recognition)};
  check(pair.train.images.size(1) == pair.test.images.size(1) &&
            pair.train.images.size(2) == pair.test.images.size(2),
        "{}: training images are {}x{}, test images {}x{}", absolute.string(),
        pair.train.images.size(1), pair.train.images.size(2), pair.test.images.size(1),
        pair.test.images.size(2));
  const auto [mean, deviation] = pixel_statistics(pair.train.images);
  check(deviation > 0, "{}: all training pixels have the same value", absolute.string());
  for (ImageDataset* set : {&pair.train, &pair.test}) {
    set->mean = {mean};
    set->deviation = {deviation};
    set->is_recognised = recognition.dataset() != nullptr;
  }
  if (const KnownDataset* known = recognition.dataset(); known != nullptr) {
    describe(pair, known->name, *known);
  } else {  // its classes have numbers and no known symmetry, as MNIST's
    describe(pair, one_line(text_of_path(absolute.filename())), *dataset_named("MNIST"));
  }
  return pair;
}

void take_users_word(DatasetPair& data, const std::string& name) {
  if (data.train.is_recognised || name.empty()) return;
  const KnownDataset* known = dataset_named(name);
  describe(data, name, known != nullptr ? *known : *dataset_named("MNIST"));
}

}  // namespace switchyard
