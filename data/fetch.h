#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/core/check.h"

namespace switchyard {

/// The caller's progress function stopped a download, which can be taken up again later.
class FetchStopped : public Error {
 public:
  using Error::Error;
};

/// Says where an archive comes from and how it is known to be the right one.
struct FetchOptions {
  std::string url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
  /// SHA-256 of the archive, as in TensorFlow Datasets (url_checksums/cifar10.txt), lower case.
  std::string sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
  /// Size of the archive in bytes, ibid. A longer download is cut off.
  std::int64_t bytes = 170052171;
  /// Told the bytes here and the bytes in all, often; false stops the download (FetchStopped).
  std::function<bool(std::int64_t done, std::int64_t total)> progress = nullptr;
};

/// Names the folder in CIFAR-10's archive.
inline constexpr const char* kCifar10Folder = "cifar-10-batches-bin";

/// Downloads CIFAR-10's binary version into `directory`/cifar-10-batches-bin and returns that path;
/// returns at once where it is there already. An interrupted download continues where it stopped
/// (a .part file in `directory`). The archive is checked against its SHA-256 before it is unpacked,
/// and removed afterwards; the folder appears complete or not at all.
///
/// Errors, in one line: no connection (within 10 s), a stalled transfer, an HTTP status, a wrong
/// hash (the file is removed), an archive with other entries than CIFAR-10's files, a full disk, a
/// folder of that name which is not complete.
std::filesystem::path fetch_cifar10(const std::filesystem::path& directory,
                                    const FetchOptions& options = {});

}  // namespace switchyard
