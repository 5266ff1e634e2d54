#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/loader.h"
#include "models/classifier.h"

namespace switchyard {

/// Images under a name: "train", "test", "batch".
struct ImageSet {
  std::string name;
  std::vector<Batch> batches;
};

/// What a measurement is of, and how its bits come about: {"model", "device", "reproducible",
/// "weights", "buffers", "images"}, the last three as fingerprints. Two measurements with the same
/// settings of the same subject have the same steps.
nlohmann::json measured_subject(Classifier& model, const std::vector<ImageSet>& sets);

/// A directory's name for whatever `key` says: its hash.
std::string state_name(const nlohmann::json& key);
/// Removes the directory of a measurement that is complete, and the one around it unless other
/// measurements keep theirs there.
void remove_state(const std::filesystem::path& directory);

}  // namespace switchyard
