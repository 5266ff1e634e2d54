#include <sstream>

#include "data/dataset.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/path_text.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kChannels = 3;
constexpr std::int64_t kPlane = kSide * kSide;
constexpr std::int64_t kRecord = 1 + kChannels * kPlane;
constexpr std::int64_t kMaxRecords = 10'000;  // in one file
constexpr std::int64_t kClasses = 10;
constexpr int kTrainFiles = 5;
constexpr std::uint64_t kMaxNameFileBytes = 4096;

/// Number of records in a file, from its size.
std::int64_t count_records(const fs::path& path) {
  const fs::file_type type = file_type_at(path);
  check(type != fs::file_type::not_found,
        "{}: missing; CIFAR-10's binary version is data_batch_1.bin to data_batch_5.bin and "
        "test_batch.bin",
        path.string());
  check(type == fs::file_type::regular, "{}: not a regular file", path.string());
  const auto bytes = static_cast<std::int64_t>(InputFile(path).size().value_or(0));
  check(bytes > 0 && bytes % kRecord == 0 && bytes / kRecord <= kMaxRecords,
        "{}: not a CIFAR-10 file: {} bytes, expected 1 to {} records of {} bytes (a complete file "
        "has {} bytes)",
        path.string(), bytes, kMaxRecords, kRecord, kMaxRecords * kRecord);
  return bytes / kRecord;
}

/// Reads one file's records into `images` [n, 32, 32, 3] and `labels` [n]; the file stores red,
/// green and blue planes one after another.
void read_records(const fs::path& path, std::int64_t count, std::uint8_t* images,
                  std::int64_t* labels) {
  const std::string bytes = read_file(path, kMaxRecords * kRecord);
  check(static_cast<std::int64_t>(bytes.size()) == count * kRecord, "{}: changed while it was read",
        path.string());
  for (std::int64_t i = 0; i < count; ++i) {
    const auto* record = reinterpret_cast<const std::uint8_t*>(bytes.data()) + i * kRecord;
    if (record[0] >= kClasses) {
      throw Error(fmt::format("{}: not a CIFAR-10 file: record {} has label {}, expected 0 to {}",
                              path.string(), i, record[0], kClasses - 1));
    }
    labels[i] = record[0];
    std::uint8_t* pixels = images + i * kPlane * kChannels;
    for (std::int64_t channel = 0; channel < kChannels; ++channel) {
      const std::uint8_t* plane = record + 1 + channel * kPlane;
      for (std::int64_t p = 0; p < kPlane; ++p) pixels[p * kChannels + channel] = plane[p];
    }
  }
}

std::vector<std::string> class_names(const fs::path& directory) {
  const fs::path path = directory / "batches.meta.txt";
  if (!path_exists(path)) {
    return {"airplane", "automobile", "bird",  "cat",  "deer",
            "dog",      "frog",       "horse", "ship", "truck"};
  }
  std::istringstream text(read_file(path, kMaxNameFileBytes));
  std::vector<std::string> names;
  for (std::string word; text >> word;) {
    check(is_plain_text(word), "{}: class name '{}' is not UTF-8 text", path.string(),
          printable(word));
    names.push_back(word);
  }
  check(static_cast<std::int64_t>(names.size()) == kClasses, "{}: {} class names, expected {}",
        path.string(), names.size(), kClasses);
  return names;
}

ImageDataset read_files(const fs::path& directory, const std::vector<std::string>& files) {
  std::vector<std::int64_t> counts;
  std::int64_t total = 0;
  for (const std::string& file : files) {
    counts.push_back(count_records(directory / file));
    total += counts.back();
    check(counts.back() == counts.front(),
          "{}: {} records, but {} has {}: cut short, or from another data set?",
          (directory / file).string(), counts.back(), files.front(), counts.front());
  }
  ImageDataset set;
  set.name = "CIFAR-10";
  set.directory = text_of_path(directory);
  set.images = Tensor::empty({total, kSide, kSide, kChannels}, DType::kUInt8);
  set.labels = Tensor::empty({total}, DType::kInt64);
  set.classes = kClasses;
  set.class_names = class_names(directory);
  // The figures that everyone uses, of the whole training set, also for subsets.
  set.mean = {0.4914, 0.4822, 0.4465};
  set.deviation = {0.2470, 0.2435, 0.2616};
  std::int64_t first = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    read_records(directory / files[i], counts[i],
                 set.images.data<std::uint8_t>() + first * kPlane * kChannels,
                 set.labels.data<std::int64_t>() + first);
    first += counts[i];
  }
  return set;
}

}  // namespace

DatasetPair load_cifar10(const fs::path& directory) {
  const fs::path absolute = absolute_directory(directory);
  std::vector<std::string> files;
  for (int i = 1; i <= kTrainFiles; ++i) files.push_back(fmt::format("data_batch_{}.bin", i));
  ImageDataset test = read_files(absolute, {"test_batch.bin"});
  return {read_files(absolute, files), std::move(test)};
}

}  // namespace switchyard
