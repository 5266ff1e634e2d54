#pragma once

#include <string>
#include <vector>

namespace switchyard {

/// A published data set in IDX format.
struct KnownDataset {
  std::string name;
  std::vector<std::string> class_names;  ///< [10]
  bool mirror_keeps_class;
};

/// MNIST and Fashion-MNIST.
const std::vector<KnownDataset>& known_datasets();

/// The data set one of whose unpacked files has this SHA-256 (64 hexadecimal digits); nullptr for
/// other files.
const KnownDataset* dataset_of_file(const std::string& sha256);

/// The data set of that name, nullptr for other names.
const KnownDataset* dataset_named(const std::string& name);

}  // namespace switchyard
