#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/fetch.h"
#include "engine/core/tensor.h"

namespace switchyard {

/// Labelled images in memory, as bytes. Copies share the pixels.
struct ImageDataset {
  /// "CIFAR-10", "Fashion-MNIST", "MNIST", the user's word, or the directory's name. As all text
  /// here it is UTF-8 without control characters, whatever bytes the files and their names hold.
  std::string name;
  /// The format or the files' checksums say which data set this is; otherwise the name is a guess.
  bool is_recognised = true;
  std::string directory;         ///< text_of_path() of the files' absolute directory
  std::string source = "given";  ///< "given" by the user, "fetched", or "built-in"
  Tensor images;                 ///< [N, H, W, C] uint8
  Tensor labels;                 ///< [N] int64, each in [0, classes)
  std::int64_t classes = 0;
  std::vector<std::string> class_names;  ///< [classes]
  /// Per channel, of pixel / 255 over the training set: what batches are normalised with.
  std::vector<double> mean, deviation;
  /// A mirrored image has the same label: true for photographs and clothes, false for digits.
  bool mirror_keeps_class = true;

  std::int64_t count() const { return labels.size(0); }
};

struct DatasetPair {
  ImageDataset train, test;
};

/// `directory` as an absolute path that ends with its name, whatever slashes and dots it had.
std::filesystem::path absolute_directory(const std::filesystem::path& directory);

/// CIFAR-10's binary version (https://www.cs.toronto.edu/~kriz/cifar.html): data_batch_1.bin to
/// data_batch_5.bin and test_batch.bin, records of one label byte and 3,072 pixels. Files may hold
/// fewer than 10,000 records (a subset, equally many in each training file) in any order.
/// Errors name the file: missing, size no positive multiple of 3,073 bytes, more than 10,000
/// records, a label above 9 (with its record), class names that are not ten words of text.
DatasetPair load_cifar10(const std::filesystem::path& directory);

/// Bounds what IDX files may announce in their headers: far above MNIST's 60,000 images of 47 MB,
/// low enough that a compressed file of some kilobytes cannot fill the memory.
inline constexpr std::int64_t kMaxIdxImages = 10'000'000;
inline constexpr std::int64_t kMaxIdxSide = 1024;
inline constexpr std::int64_t kMaxIdxBytes = 512 << 20;  ///< pixels of one file

/// MNIST, Fashion-MNIST or another set of ten classes in IDX format
/// (http://yann.lecun.com/exdb/mnist): train-images-idx3-ubyte, train-labels-idx1-ubyte,
/// t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, each plain or with .gz, also with a dot before
/// idx. Mean and deviation are computed from the training images.
///
/// The files' SHA-256 tells MNIST from Fashion-MNIST (data/known_files.h). Files that are neither's
/// are not recognised: named as their directory, with classes "0" to "9" that are not mirrored,
/// until take_users_word(). Errors name the file: missing, wrong magic number, truncated or too
/// long, above the limits, a label above 9, images and labels of different number, files of both
/// data sets.
DatasetPair load_idx(const std::filesystem::path& directory);

/// Believes the user (data.set of a configuration) that images which were not recognised are
/// `name`, with the class names of that data set if it is a known one. Leaves recognised images and
/// an empty `name` alone: selection.h refuses a word that contradicts the files.
void take_users_word(DatasetPair& data, const std::string& name);

/// The data set in `directory`: CIFAR-10 or IDX files, or a folder cifar-10-batches-bin below it.
/// Error saying what was expected where there is neither.
DatasetPair load_directory(const std::filesystem::path& directory);

/// Returns where fetched data is kept: $XDG_CACHE_HOME/switchyard, or ~/.cache/switchyard.
std::filesystem::path cache_directory();

/// Debian's package dataset-fashion-mnist, the data set of last resort.
inline constexpr const char* kFashionMnistDirectory = "/usr/share/datasets/fashion-mnist";

/// Receives one line of text for the user.
using Messages = std::function<void(const std::string&)>;

/// load_directory() and a message through `say` which data set it is and why. `source` is noted in
/// both parts.
DatasetPair load_dataset(const std::filesystem::path& directory, const std::string& source,
                         const std::string& why, const Messages& say);

/// The data set to work with, and a message through `say` which one it is and why. The first of:
/// `data_directory` (--data), the environment variable SWITCHYARD_DATA, CIFAR-10 in the cache
/// directory, CIFAR-10 fetched into it, Fashion-MNIST in `fallback`. A directory that was named but
/// is bad is an Error, never a reason to take the next one.
DatasetPair find_dataset(const std::optional<std::filesystem::path>& data_directory,
                         const Messages& say, const FetchOptions& fetch = {},
                         const std::filesystem::path& fallback = kFashionMnistDirectory);

/// Indices of a training set of `count` images cut into two parts, each ascending.
struct Split {
  std::vector<std::int64_t> train, validation;
};

/// Takes `validation` of `count` images at random, the same for equal arguments. UsageError unless
/// 0 <= validation < count.
Split split_train_validation(std::int64_t count, std::int64_t validation, std::uint64_t seed);

}  // namespace switchyard
