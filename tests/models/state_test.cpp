#include "models/state.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "kernels/api/temporary_directory.h"
#include "models/backbone.h"
#include "tests/models/reference_heads.h"
#include "tests/support/expect_error.h"
#include "tests/support/tensors.h"

namespace switchyard {
namespace {

using namespace std::string_literals;
using test::expect_error;
using test::random_tensor;

std::unique_ptr<Classifier> small_model(std::uint64_t seed, DType dtype = DType::kFloat32) {
  ModelConfig config;
  config.backbone.name = "small";
  config.head.name = "sparse_moe";
  config.head.experts = 3;
  config.head.expert_width = 4;
  return make_classifier(config, Generator(seed), dtype);
}

/// A safetensors file in which every float32 tensor of `state` has been cut to the 16-bit `dtype`:
/// right for values that both types hold, such as 0 and 1.
std::string with_half_dtype(const TensorMap& state, const std::string& dtype) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const auto& [name, tensor] : state) {
    const auto sizes = tensor.shape().sizes();
    const std::size_t begin = data.size();
    const bool is_real = tensor.dtype() == DType::kFloat32;
    for (const double value : tensor.to_doubles()) {
      if (!is_real) data += std::string(8, '\0');
      if (is_real) data += value == 1.0 ? (dtype == "F16" ? "\x00\x3c"s : "\x80\x3f"s) : "\0\0"s;
    }
    header[name] = {{"dtype", is_real ? dtype : "I64"},
                    {"shape", std::vector<std::int64_t>(sizes.begin(), sizes.end())},
                    {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data;
}

void expect_same_state(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) test::expect_same_bits(tensor, b.at(name));
}

TEST(State, SurvivesAFileBitForBit) {
  const TemporaryDirectory directory;
  const auto original = small_model(1);
  Generator random(2);
  const Tensor images = random_tensor({4, 8, 8, 3}, 3, DType::kFloat32);
  original->forward(images, nn::Mode::train(random));  // moves the running statistics
  write_safetensors(directory.path() / "model.safetensors", {state_dict(*original), {}});

  const auto loaded = small_model(9);
  load_state_dict(*loaded, read_safetensors(directory.path() / "model.safetensors").tensors,
                  "model.safetensors");
  expect_same_state(state_dict(*loaded), state_dict(*original));
  test::expect_same_bits(loaded->forward(images, nn::Mode::evaluation()).logits,
                         original->forward(images, nn::Mode::evaluation()).logits);
  EXPECT_EQ(state_dict(*loaded).at("backbone.backbone.bn1.num_batches_tracked").item(), 1.0);
}

TEST(State, LoadedParametersStayTheSameLeaves) {
  const auto model = small_model(1);
  Tensor* weight = model->parameters()[0].tensor;
  const Tensor before = *weight;
  load_state_dict(*model, state_dict(*small_model(2)), "x");
  EXPECT_TRUE(weight->requires_grad());
  EXPECT_TRUE(test::shares_memory(*weight, before));
}

TEST(State, ExpertsAreViewsOfTheirStacks) {
  const auto model = small_model(1);
  TensorMap state = state_dict(*model);
  EXPECT_EQ(state.at("head.experts.2.net.3.weight").shape(), (Shape{10, 4}));
  state["head.experts.2.net.3.weight"] = Tensor::full({10, 4}, 7.0, DType::kFloat32);
  load_state_dict(*model, state, "x");
  std::size_t stacks = 0;
  for (const nn::NamedTensor& parameter : model->parameters()) {
    stacks += parameter.layout == nn::NamedTensor::Layout::kStack ? 1 : 0;
    if (parameter.name != "head.experts.*.net.3.weight") continue;
    EXPECT_EQ(parameter.tensor->shape(), (Shape{3, 10, 4}));
    EXPECT_EQ(parameter.tensor->entry(2).to_doubles(), std::vector<double>(40, 7.0));
    test::expect_same_bits(parameter.tensor->entry(1), state.at("head.experts.1.net.3.weight"));
  }
  EXPECT_EQ(stacks, 4U);
}

TEST(State, IsACopy) {
  const auto model = small_model(1);
  const TensorMap state = state_dict(*model);
  const Tensor saved = state.at("head.gate.w_gate.weight").clone();
  model->parameters()[0].tensor->fill(0.0);
  for (const nn::NamedTensor& parameter : model->parameters()) parameter.tensor->fill(0.0);
  test::expect_same_bits(state.at("head.gate.w_gate.weight"), saved);
}

TEST(State, FilesHoldConvolutionsAsOihw) {
  const Tensor engine = random_tensor({2, 3, 5, 4}, 1);  // O = 2, H = 3, W = 5, I = 4
  const Tensor file = to_file_layout(engine, nn::NamedTensor::Layout::kConvWeight);
  ASSERT_EQ(file.shape(), Shape({2, 4, 3, 5}));
  const auto at = [](const Tensor& t, int a, int b, int c, int d) {
    return t.data<double>()[((a * t.size(1) + b) * t.size(2) + c) * t.size(3) + d];
  };
  for (int o = 0; o < 2; ++o) {
    for (int h = 0; h < 3; ++h) {
      for (int w = 0; w < 5; ++w) {
        for (int i = 0; i < 4; ++i) EXPECT_EQ(at(file, o, i, h, w), at(engine, o, h, w, i));
      }
    }
  }
  test::expect_same_bits(from_file_layout(file, nn::NamedTensor::Layout::kConvWeight), engine);
}

TEST(State, ConvertsBetweenFloatingDtypes) {
  const auto wide = small_model(1, DType::kFloat64);
  load_state_dict(*wide, state_dict(*small_model(2)), "x");
  const auto narrow = small_model(3);
  load_state_dict(*narrow, state_dict(*wide), "x");
  expect_same_state(state_dict(*narrow), state_dict(*small_model(2)));
}

TEST(State, NamesEveryMissingAndExtraTensor) {
  const auto model = small_model(1);
  TensorMap state = state_dict(*model);
  state.erase("backbone.backbone.bn1.running_var");
  state.erase("head.experts.2.net.3.bias");
  state["head.extra"] = Tensor::zeros({1}, DType::kFloat32);
  const std::string text =
      test::error_text([&] { load_state_dict(*model, state, "weights.safetensors"); });
  EXPECT_EQ(text,
            "weights.safetensors: tensors do not match the model; missing: "
            "head.experts.2.net.3.bias backbone.backbone.bn1.running_var; not in the model: "
            "head.extra");
}

TEST(State, ABatchCountThatNothingReadsMayBeMissing) {
  const auto model = small_model(1);
  Generator random(2);
  model->forward(random_tensor({4, 8, 8, 3}, 3, DType::kFloat32), nn::Mode::train(random));
  TensorMap state = state_dict(*small_model(2));
  std::erase_if(state,
                [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
  load_state_dict(*model, state, "weights.safetensors");
  expect_same_state(state_dict(*model), state_dict(*small_model(2)));
}

TEST(State, ReadsWeightsOfSixteenBits) {
  const auto model = small_model(1);
  const TemporaryDirectory directory;
  const auto path = directory.path() / "weights.safetensors";
  for (const char* dtype : {"F16", "BF16"}) {
    write_file_atomic(path, with_half_dtype(state_dict(*small_model(2)), dtype));
    const TensorFile file = read_safetensors(path);
    load_state_dict(*model, file.tensors, path.string());
    const Tensor bias = state_dict(*model).at("backbone.backbone.bn1.weight");
    EXPECT_EQ(bias.dtype(), DType::kFloat32);
    EXPECT_EQ(bias.to_doubles(), std::vector<double>(static_cast<std::size_t>(bias.numel()), 1.0));
  }
}

TEST(State, ATensorOfATypeThatIsNotReadRefusesTheFileOnlyIfItIsNeeded) {
  const auto model = small_model(1);
  TensorMap state = state_dict(*small_model(2));
  load_state_dict(*model, state, "w", {{"quantisation.mask", "BOOL"}});
  state.erase("head.gate.w_gate.bias");
  expect_error(
      [&] {
        load_state_dict(*model, state, "w", {{"head.gate.w_gate.bias", "F8_E4M3"}});
      },
      "w: tensors do not match the model; missing: head.gate.w_gate.bias (its dtype F8_E4M3 is not "
      "read)");
}

TEST(State, NamesInMessagesAreEscapedAndCounted) {
  const auto model = small_model(1);
  TensorMap state = state_dict(*model);
  for (int i = 0; i < 1000; ++i)
    state[fmt::format("\x1b{}", i)] = Tensor::zeros({1}, DType::kFloat32);
  const std::string text = test::error_text([&] { load_state_dict(*model, state, "w"); });
  EXPECT_NE(text.find("\\x1b0 "), std::string::npos) << text;
  EXPECT_NE(text.find(" and 990 more"), std::string::npos) << text;
}

TEST(State, NamesTheTensorThatIsWrongAndOverwritesNothing) {
  const auto model = small_model(1);
  const TensorMap before = state_dict(*model);
  const auto expect_rejected = [&](const std::string& name, const Tensor& value,
                                   const std::string& message) {
    TensorMap state = state_dict(*small_model(2));
    state[name] = value;
    expect_error([&] { load_state_dict(*model, state, "weights.safetensors"); }, message);
    expect_same_state(state_dict(*model), before);
  };
  const std::string bias = "head.gate.w_gate.bias";
  expect_rejected(bias, Tensor::zeros({4}, DType::kFloat32),
                  "weights.safetensors: head.gate.w_gate.bias must have shape [3], got [4]");
  expect_rejected("backbone.backbone.conv1.weight", Tensor::zeros({16, 3, 3}, DType::kFloat32),
                  "backbone.backbone.conv1.weight must have shape [16, 3, 3, 3], got [16, 3, 3]");
  expect_rejected(bias, Tensor::zeros({3}, DType::kInt64), "must be float32, got int64");
  expect_rejected("backbone.backbone.bn1.num_batches_tracked", Tensor::zeros({}, DType::kFloat32),
                  "must be int64, got float32");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_rejected(bias, Tensor::full({3}, nan, DType::kFloat32),
                  "weights.safetensors: head.gate.w_gate.bias holds a value that is not finite");
  expect_rejected(bias, Tensor::full({3}, 1e300, DType::kFloat64), "not finite");  // beyond float32
}

}  // namespace
}  // namespace switchyard
