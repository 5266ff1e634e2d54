#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <memory>
#include <system_error>

#include "data/dataset.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

// http://yann.lecun.com/exdb/mnist: two zero bytes, the element type (8: unsigned byte), the number
// of dimensions; then the dimensions as big-endian 32-bit integers; then the elements.
constexpr std::uint32_t kImagesMagic = 0x00000803;
constexpr std::uint32_t kLabelsMagic = 0x00000801;
constexpr std::int64_t kMaxSide = 1024;
constexpr std::int64_t kClasses = 10;

/// `name` in `directory`, or `name`.gz.
fs::path find_file(const fs::path& directory, const std::string& name) {
  for (const std::string& candidate : {name, name + ".gz"}) {
    if (fs::exists(directory / candidate)) return directory / candidate;
  }
  throw Error(fmt::format("{}: missing, also with .gz", (directory / name).string()));
}

/// A plain or gzip-compressed file, read front to back.
class ByteStream {
 public:
  explicit ByteStream(fs::path path)
      : path_(std::move(path)), file_(gzopen(path_.c_str(), "rb"), gzclose) {
    check(file_ != nullptr, "{}: cannot open: {}", path_.string(),
          std::generic_category().message(errno));
    gzbuffer(file_.get(), 1U << 17);
  }

  /// Up to `count` bytes; fewer at the end of the file. The buffer grows with what is there, so
  /// that a false count in a header costs nothing.
  std::vector<std::uint8_t> read(std::int64_t count) {
    constexpr std::int64_t kChunk = 1 << 20;
    std::vector<std::uint8_t> bytes;
    while (std::ssize(bytes) < count) {
      const auto want = static_cast<unsigned>(std::min(count - std::ssize(bytes), kChunk));
      const std::size_t filled = bytes.size();
      bytes.resize(filled + want);
      const int got = gzread(file_.get(), bytes.data() + filled, want);
      check_stream(got);
      bytes.resize(filled + static_cast<std::size_t>(got));
      if (got == 0) break;
    }
    return bytes;
  }

  std::uint32_t read_integer() {
    const std::vector<std::uint8_t> b = read(4);
    check(b.size() == 4, "{}: truncated in its header", path_.string());
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  }

  /// Exactly `count` bytes and then the end of the file.
  std::vector<std::uint8_t> read_rest(std::int64_t count) {
    std::vector<std::uint8_t> bytes = read(count);
    check(std::ssize(bytes) == count, "{}: truncated: {} bytes of data, its header announces {}",
          path_.string(), bytes.size(), count);
    check(read(1).empty(), "{}: longer than the {} bytes of data that its header announces",
          path_.string(), count);
    return bytes;
  }

 private:
  void check_stream(int got) const {
    int code = Z_OK;
    const char* text = gzerror(file_.get(), &code);
    // A stream that ends early is Z_BUF_ERROR, with the bytes before it delivered.
    check(got >= 0 && code != Z_BUF_ERROR, "{}: cannot read: {}", path_.string(),
          code == Z_ERRNO ? std::generic_category().message(errno) : std::string(text));
  }

  fs::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

/// [N, rows, columns, 1]
Tensor read_images(const fs::path& path) {
  ByteStream stream(path);
  const std::uint32_t magic = stream.read_integer();
  check(magic == kImagesMagic,
        "{}: not an IDX file of images: magic number {:#010x}, expected {:#010x}", path.string(),
        magic, kImagesMagic);
  const std::int64_t count = stream.read_integer();
  const std::int64_t rows = stream.read_integer();
  const std::int64_t columns = stream.read_integer();
  check(count > 0 && rows > 0 && columns > 0 && rows <= kMaxSide && columns <= kMaxSide,
        "{}: {} images of {}x{} pixels, expected at least one and sides of 1 to {}", path.string(),
        count, rows, columns, kMaxSide);
  return Tensor::from<std::uint8_t>({count, rows, columns, 1},
                                    stream.read_rest(count * rows * columns));
}

/// [N]
Tensor read_labels(const fs::path& path, std::int64_t images) {
  ByteStream stream(path);
  const std::uint32_t magic = stream.read_integer();
  check(magic == kLabelsMagic,
        "{}: not an IDX file of labels: magic number {:#010x}, expected {:#010x}", path.string(),
        magic, kLabelsMagic);
  const std::int64_t count = stream.read_integer();
  check(count == images, "{}: {} labels for {} images", path.string(), count, images);
  const std::vector<std::uint8_t> bytes = stream.read_rest(count);
  const auto bad = std::ranges::find_if(bytes, [](std::uint8_t b) { return b >= kClasses; });
  check(bad == bytes.end(), "{}: record {} has label {}, expected 0 to {}", path.string(),
        bad - bytes.begin(), bad == bytes.end() ? 0 : *bad, kClasses - 1);
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

ImageDataset read_set(const fs::path& directory, const std::string& prefix) {
  ImageDataset set;
  set.directory = directory.string();
  set.images = read_images(find_file(directory, prefix + "-images-idx3-ubyte"));
  set.labels = read_labels(find_file(directory, prefix + "-labels-idx1-ubyte"), set.images.size(0));
  set.classes = kClasses;
  const bool fashion = directory.filename().string().find("ashion") != std::string::npos;
  set.name = fashion ? "Fashion-MNIST" : "MNIST";
  set.mirror_keeps_class = fashion;
  if (fashion) {
    set.class_names = {"T-shirt/top", "trouser", "pullover", "dress", "coat",
                       "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
  } else {
    for (std::int64_t digit = 0; digit < kClasses; ++digit) {
      set.class_names.push_back(std::to_string(digit));
    }
  }
  return set;
}

}  // namespace

DatasetPair load_idx(const fs::path& directory) {
  const fs::path absolute = absolute_directory(directory);
  DatasetPair pair{read_set(absolute, "train"), read_set(absolute, "t10k")};
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
  }
  return pair;
}

}  // namespace switchyard
