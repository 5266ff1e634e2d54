#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "models/state.h"
#include "tests/models/expected_names.h"

namespace switchyard {
namespace {

/// "PREFIX.name shape" for every non-empty line of `text`.
std::vector<std::string> lines(const std::string& prefix, std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> result;
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) result.push_back(prefix + "." + line);
  }
  return result;
}

std::vector<std::string> expected_parameters(std::initializer_list<std::string_view> head) {
  std::vector<std::string> all = lines("backbone.backbone", test::kResNet18Parameters);
  for (const std::string_view part : head) {
    for (std::string& line : lines("head", part)) all.push_back(std::move(line));
  }
  return all;
}

std::unique_ptr<Classifier> model(const std::string& head, const std::string& backbone) {
  ModelConfig config;
  config.backbone.name = backbone;
  config.head.name = head;
  return make_classifier(config, Generator(1));
}

std::vector<std::string> actual_parameters(Classifier& classifier) {
  std::vector<std::string> all;
  for (const nn::PublishedTensor& p : nn::published(classifier.parameters())) {
    all.push_back(p.name + " " + file_shape(p.tensor.shape(), p.layout).to_string());
  }
  return all;
}

TEST(ParameterNames, DenseIsThePublishedModel) {
  const auto classifier = model("dense", "resnet18");
  const std::vector<std::string> expected = expected_parameters({test::kDenseParameters});
  EXPECT_EQ(expected.size(), 64U);
  EXPECT_EQ(actual_parameters(*classifier), expected);
  EXPECT_EQ(parameter_count(*classifier), 11168832 + 267786);
}

TEST(ParameterNames, SoftIsThePublishedModel) {
  const auto classifier = model("soft_moe", "resnet18");
  const std::vector<std::string> expected =
      expected_parameters({test::kSoftGateParameters, test::kExpertParameters});
  EXPECT_EQ(expected.size(), 94U);
  EXPECT_EQ(actual_parameters(*classifier), expected);
  EXPECT_EQ(parameter_count(*classifier), 11168832 + 4104 + 8 * (512 * 64 + 64 + 64 * 10 + 10));
}

TEST(ParameterNames, SparseAndHardAreThePublishedModel) {
  const std::vector<std::string> expected =
      expected_parameters({test::kSparseGateParameters, test::kExpertParameters});
  EXPECT_EQ(expected.size(), 96U);
  for (const char* head : {"sparse_moe", "hard_moe"}) {
    const auto classifier = model(head, "resnet18");
    EXPECT_EQ(actual_parameters(*classifier), expected);
    EXPECT_EQ(parameter_count(*classifier), 11168832 + 8208 + 8 * (512 * 64 + 64 + 64 * 10 + 10));
  }
}

TEST(ParameterNames, StateDictAddsThreeBuffersPerNormalisation) {
  const auto classifier = model("dense", "resnet18");
  const TensorMap state = state_dict(*classifier);
  std::set<std::string> expected;
  for (const std::string& line : expected_parameters({test::kDenseParameters})) {
    const std::string name = line.substr(0, line.find(' '));
    expected.insert(name);
    // A vector named weight below the backbone is a batch norm's.
    const std::size_t weight = name.rfind(".weight");
    if (weight == std::string::npos || line.find(',') != std::string::npos) continue;
    for (const char* suffix : {".running_mean", ".running_var", ".num_batches_tracked"}) {
      expected.insert(name.substr(0, weight) + suffix);
    }
  }
  std::set<std::string> actual;
  for (const auto& [name, tensor] : state) actual.insert(name);
  EXPECT_EQ(actual.size(), 64U + 60U);
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(state.at("backbone.backbone.layer2.0.downsample.1.num_batches_tracked").dtype(),
            DType::kInt64);
  EXPECT_EQ(state.at("backbone.backbone.layer2.0.downsample.1.num_batches_tracked").rank(), 0);
}

TEST(ParameterNames, TheSmallBackboneHasTheSameScheme) {
  const auto classifier = model("sparse_moe", "small");
  const std::vector<std::string> names = actual_parameters(*classifier);
  const std::set<std::string> set(names.begin(), names.end());
  EXPECT_EQ(set.size(), names.size());
  EXPECT_TRUE(set.contains("backbone.backbone.conv1.weight [16, 3, 3, 3]"));
  EXPECT_TRUE(set.contains("backbone.backbone.layer3.0.downsample.0.weight [128, 64, 1, 1]"));
  EXPECT_TRUE(set.contains("head.gate.w_gate.weight [8, 128]"));
}

}  // namespace
}  // namespace switchyard
