#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace switchyard::test {

/// Builds what a made-up study contains. Its numbers have the shape and size of a real one's:
/// losses fall, experts drift apart, test curvature is far above training curvature.
struct StudyFixture {
  std::vector<std::string> heads = {"dense", "soft_moe", "sparse_moe"};
  int seeds = 1;
  int epochs = 10;
  int experts = 8;
  bool routing_gain = false;  ///< with that section in study.json
  /// With accuracy, changed experts, surfaces, balls and noise in `perturbation`, which files of
  /// earlier versions lack.
  bool surroundings = false;
  bool spectra = false;  ///< with that section in every results.json (spectra_fixture.h)
};

/// Writes study.json and the run directories "<head>-seed<n>" with all files of
/// docs/design/results.md except checkpoints. `directory` is created.
void write_study_fixture(const std::filesystem::path& directory, const StudyFixture& fixture = {});

/// Reads a JSON file, lets `edit` change it and writes it back.
void edit_json(const std::filesystem::path& file, const std::function<void(nlohmann::json&)>& edit);

}  // namespace switchyard::test
