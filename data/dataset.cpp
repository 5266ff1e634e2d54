#include "data/dataset.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "data/shuffle.h"
#include "engine/io/files.h"
#include "kernels/api/text.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

bool holds_any(const fs::path& directory, std::initializer_list<const char*> names) {
  return std::ranges::any_of(names,
                             [&](const char* name) { return path_exists(directory / name); });
}

/// Any of the files, so that an incomplete data set is reported as such.
bool holds_cifar10(const fs::path& directory) {
  return holds_any(directory, {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                               "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"});
}
bool holds_idx(const fs::path& directory) {
  for (const char* end : {"", ".gz"}) {
    for (const char* joint : {"-", "."}) {
      for (const char* prefix : {"train", "t10k"}) {
        for (const char* kind : {"images-idx3-ubyte", "labels-idx1-ubyte"}) {
          if (path_exists(directory / fmt::format("{}{}{}{}", prefix, joint, kind, end))) {
            return true;
          }
        }
      }
    }
  }
  return false;
}

/// Notes where a data set comes from and tells the user.
DatasetPair announce(DatasetPair pair, const std::string& source, const std::string& why,
                     const Messages& say) {
  pair.train.source = source;
  pair.test.source = source;
  const Shape& shape = pair.train.images.shape();
  say(fmt::format("data: {} in {} ({}): {} training and {} test images, {}x{}x{}", pair.train.name,
                  pair.train.directory, why, pair.train.count(), pair.test.count(), shape[1],
                  shape[2], shape[3]));
  return pair;
}

DatasetPair last_resort(const fs::path& fallback, const std::string& reason, const Messages& say) {
  say(fmt::format("data: cannot fetch CIFAR-10: {}", reason));
  check(holds_idx(fallback),
        "no data: CIFAR-10 cannot be fetched ({}) and there is no Fashion-MNIST in {} (package "
        "dataset-fashion-mnist): give a directory with --data",
        reason, fallback.string());
  return announce(load_idx(fallback), "built-in",
                  "CIFAR-10 neither found nor fetched; --data takes another directory", say);
}

}  // namespace

fs::path absolute_directory(const fs::path& directory) {
  std::error_code error;
  const fs::path absolute = fs::absolute(directory / ".", error);
  check(!error, "{}: cannot tell the working directory: {}", directory.string(), error.message());
  return absolute.lexically_normal().parent_path();
}

DatasetPair load_directory(const fs::path& directory) {
  std::error_code error;
  const bool is_directory = fs::is_directory(directory, error);
  check(!error, "{}: cannot open the data directory: {}", directory.string(), error.message());
  check(is_directory, "{}: not a directory", directory.string());
  if (holds_cifar10(directory)) return load_cifar10(directory);
  if (holds_idx(directory)) return load_idx(directory);
  if (file_type_at(directory / kCifar10Folder) == fs::file_type::directory) {
    return load_cifar10(directory / kCifar10Folder);
  }
  throw Error(fmt::format(
      "{}: no data set here; expected CIFAR-10's binary version (data_batch_1.bin ...) or IDX "
      "files (train-images-idx3-ubyte[.gz] ...){}",
      directory.string(),
      path_exists(directory / "data_batch_1") ? ", found CIFAR-10's Python version" : ""));
}

fs::path cache_directory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && fs::path(cache).is_absolute()) return fs::path(cache) / "switchyard";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const struct passwd* user = ::getpwuid(::getuid());
    home = user != nullptr ? user->pw_dir : "/var/tmp";
  }
  return fs::path(home) / ".cache" / "switchyard";
}

DatasetPair load_dataset(const fs::path& directory, const std::string& source,
                         const std::string& why, const Messages& say) {
  return announce(load_directory(directory), source, why, say);
}

DatasetPair find_dataset(const std::optional<fs::path>& data_directory, const Messages& say,
                         const FetchOptions& fetch, const fs::path& fallback) {
  if (data_directory) return load_dataset(*data_directory, "given", "--data", say);
  const char* variable = std::getenv("SWITCHYARD_DATA");
  if (variable != nullptr && *variable != '\0') {
    return load_dataset(variable, "given", "SWITCHYARD_DATA", say);
  }
  fs::path cached = cache_directory();
  try {
    if (!path_exists(cached / kCifar10Folder)) {
      say(fmt::format("data: fetching CIFAR-10 ({} MB) into {}", fetch.bytes / 1'000'000,
                      one_line(cached.string())));
    }
    cached = fetch_cifar10(cached, fetch);
  } catch (const FetchStopped&) {
    throw;
  } catch (const std::exception& error) {
    return last_resort(fallback, error.what(), say);
  }
  return announce(load_cifar10(cached), "fetched", "fetched", say);
}

Split split_train_validation(std::int64_t count, std::int64_t validation, std::uint64_t seed) {
  check<UsageError>(validation >= 0 && validation < count,
                    "cannot keep {} of {} training images for validation", validation, count);
  std::vector<std::int64_t> order = random_permutation(count, Generator(seed));
  const auto border = order.begin() + validation;
  std::sort(order.begin(), border);
  std::sort(border, order.end());
  return {{border, order.end()}, {order.begin(), border}};
}

}  // namespace switchyard
