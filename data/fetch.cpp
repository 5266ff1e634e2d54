#include "data/fetch.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "data/download.h"
#include "data/sha256.h"
#include "data/unpack.h"
#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kRecordFiles = {"data_batch_1.bin", "data_batch_2.bin",
                                               "data_batch_3.bin", "data_batch_4.bin",
                                               "data_batch_5.bin", "test_batch.bin"};
constexpr std::int64_t kMaxFileBytes = 10'000 * 3'073;  // records x bytes of a record

bool is_complete(const fs::path& folder) {
  return std::ranges::all_of(kRecordFiles,
                             [&](const std::string& name) { return path_exists(folder / name); });
}

/// A directory that is renamed into place, or goes away with what is in it.
class StagingDirectory {
 public:
  explicit StagingDirectory(const fs::path& target)
      : path_(target.parent_path() /
              fmt::format(".{}.{}.tmp", target.filename().string(), ::getpid())) {
    fs::create_directory(path_);
  }
  ~StagingDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void unpack_into(const fs::path& archive, const fs::path& folder) {
  const StagingDirectory staging(folder);
  std::vector<std::string> names = kRecordFiles;
  names.insert(names.end(), {"batches.meta.txt", "readme.html"});
  unpack(archive, kCifar10Folder, names, kMaxFileBytes, staging.path());
  check(is_complete(staging.path()), "{}: the archive lacks some of CIFAR-10's files",
        archive.string());
  fs::rename(staging.path(), folder);
}

}  // namespace

fs::path fetch_cifar10(const fs::path& directory, const FetchOptions& options) {
  fs::path folder = directory / kCifar10Folder;
  if (is_complete(folder)) return folder;
  try {
    check(!path_exists(folder), "{}: exists, but lacks some of CIFAR-10's files; remove it first",
          folder.string());
    fs::create_directories(directory);
    const fs::path part = directory / "cifar-10-binary.tar.gz.part";
    download(options.url, part, options.bytes, options.progress);
    if (const std::string hash = sha256_of_file(part); hash != options.sha256) {
      fs::remove(part);
      throw Error(fmt::format("{}: the download has SHA-256 {}, expected {}; it was removed",
                              options.url, hash, options.sha256));
    }
    unpack_into(part, folder);
    fs::remove(part);
  } catch (const fs::filesystem_error& error) {
    throw Error(
        fmt::format("{}: cannot write: {}", error.path1().string(), error.code().message()));
  }
  return folder;
}

}  // namespace switchyard
