#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "data/dataset.h"

namespace switchyard {

/// Says which images a run was trained on and where they were then.
struct DataIdentity {
  std::string name;                ///< the data set's: "CIFAR-10"
  std::string source;              ///< ImageDataset::source
  std::filesystem::path location;  ///< absolute path of the files' directory
  std::string fingerprint;         ///< image_fingerprint()
};

/// "sha256:" and the 64 hexadecimal digits of the SHA-256 over the decoded training set and then
/// the test set, each as the line "[N, H, W, C]\n", its pixels, and its labels as 64-bit
/// little-endian integers. The same images give the same fingerprint wherever their files lie and
/// whether or not these are compressed. CIFAR-10's 184 MB take about 0.1 s with a processor's SHA
/// instructions.
std::string image_fingerprint(const DatasetPair& data);

DataIdentity identify(const DatasetPair& data);

/// UsageError where `found` has other images than `expected`, those of the run or study in
/// `directory`.
void check_same_images(const DataIdentity& expected, const DataIdentity& found,
                       const std::filesystem::path& directory);

/// The file that keeps the identity in the directory of a run or a study.
inline std::filesystem::path data_file(const std::filesystem::path& directory) {
  return directory / "data.json";
}

/// The contents of data.json (docs/design/results.md), the location as text_of_path().
nlohmann::json to_json(const DataIdentity& identity);
/// The reverse. Error naming the file where it is missing or damaged.
DataIdentity read_data_identity(const std::filesystem::path& path);

}  // namespace switchyard
