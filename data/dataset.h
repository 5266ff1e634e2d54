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
  std::string name;              ///< "CIFAR-10", "Fashion-MNIST", "MNIST", or the directory's name
  std::string directory;         ///< absolute path of the files' directory
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
/// records, a label above 9 (with its record).
DatasetPair load_cifar10(const std::filesystem::path& directory);

/// MNIST or Fashion-MNIST in IDX format (http://yann.lecun.com/exdb/mnist):
/// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
/// t10k-labels-idx1-ubyte, each plain or with .gz. Mean and deviation are computed from the
/// training images. Errors name the file: missing, wrong magic number, truncated or too long, a
/// label above 9, images and labels of different number.
DatasetPair load_idx(const std::filesystem::path& directory);

/// The data set in `directory`: CIFAR-10 or IDX files, or a folder cifar-10-batches-bin below it.
/// Error saying what was expected where there is neither.
DatasetPair load_directory(const std::filesystem::path& directory);

/// Where fetched data is kept: $XDG_CACHE_HOME/switchyard, or ~/.cache/switchyard.
std::filesystem::path cache_directory();

/// Debian's package dataset-fashion-mnist, the data set of last resort.
inline constexpr const char* kFashionMnistDirectory = "/usr/share/datasets/fashion-mnist";

/// Receives one line of text for the user.
using Messages = std::function<void(const std::string&)>;

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
