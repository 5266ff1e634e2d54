#include "training/train_config.h"

#include <gtest/gtest.h>

#include "engine/io/json.h"
#include "tests/support/expect_error.h"
#include "training/presets.h"
#include "training/settings.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

TrainConfig parse(const std::string& text) {
  return parse_train_config(parse_json(text, "test"), "run.json");
}

TEST(TrainConfigTest, PaperPresetIsThePublishedConfiguration) {
  const json config = to_json(paper_training());
  EXPECT_EQ(config, parse_json(R"({
    "model": {"backbone": {"name": "resnet18", "in_channels": 3, "initialisation": "torchvision"},
              "head": {"name": "dense", "classes": 10, "width": 512, "dropout": 0.1}},
    "data": {"set": "", "augment": false, "validation": 5000, "train_limit": 0, "test_limit": 0},
    "batch_size": 128, "evaluation_batch_size": 500, "epochs": 50,
    "optimizer": {"rate": 0.1, "momentum": 0.9, "weight_decay": 0.0005},
    "schedule": {"kind": "multi_step", "milestones": [30, 40], "factor": 0.1},
    "seed": 1, "dtype": "float32", "device": "cpu", "conv": "own",
    "threads": 0, "reproducible": false})",
                               "expected"));
}

TEST(TrainConfigTest, EveryPresetSurvivesTheRoundTrip) {
  for (const std::string& name : preset_names()) {
    const json written = to_json(training_preset(name));
    EXPECT_EQ(to_json(parse_train_config(written, name)), written);
  }
}

TEST(TrainConfigTest, EveryFieldIsReadBack) {
  const json other = parse_json(R"({
    "model": {"backbone": {"name": "small", "in_channels": 1, "initialisation": "pytorch"},
              "head": {"name": "dense", "classes": 7, "width": 9, "dropout": 0.3}},
    "data": {"set": "MNIST", "augment": true, "validation": 7, "train_limit": 8, "test_limit": 9},
    "batch_size": 3, "evaluation_batch_size": 4, "epochs": 5,
    "optimizer": {"rate": 0.7, "momentum": 0.2, "weight_decay": 0.25},
    "schedule": {"kind": "one_cycle", "warmup_fraction": 0.4, "start_divisor": 3.0,
                 "final_divisor": 5.0, "anneal": "linear"},
    "seed": 6, "dtype": "float64", "device": "cpu", "conv": "cudnn",
    "threads": 2, "reproducible": true})",
                                "other");
  EXPECT_EQ(to_json(parse_train_config(other, "other")), other);
}

TEST(TrainConfigTest, ErrorsNameTheField) {
  const auto expect = [](const std::string& text, const std::string& message) {
    expect_error<UsageError>([&] { parse(text); }, message);
  };
  expect(R"({"epoch": 3})", "run.json: unknown field epoch");
  expect(R"({"optimizer": {"lr": 3}})", "unknown field optimizer.lr");
  expect(R"({"epochs": "3"})", "run.json: epochs: expected an integer, got a string");
  expect(R"({"epochs": 0})", "epochs: must be at least 1, got 0");
  expect(R"({"batch_size": -4})", "batch_size: must be at least 1, got -4");
  expect(R"({"optimizer": {"rate": 0}})", "optimizer.rate: must be positive, got 0");
  expect(R"({"optimizer": {"momentum": 1}})", "optimizer.momentum: must be in [0, 1), got 1");
  expect(R"({"schedule": {"kind": "cosine"}})", "schedule.kind: must be multi_step or one_cycle");
  expect(R"({"schedule": {"kind": "one_cycle", "factor": 1}})", "unknown field schedule.factor");
  expect(R"({"schedule": {"milestones": [40, 30]}})", "schedule.milestones: must be positive");
  expect(R"({"dtype": "int64"})", "dtype: must be float32, float64 or bfloat16");
  expect(R"({"threads": -1})", "threads: must be at least 0");
  expect(R"({"threads": 4294967297})", "threads: must be at most 4096, got 4294967297");
  expect(R"({"epochs": 9223372036854775807, "schedule": {"kind": "one_cycle"}})",
         "epochs: must be at most 1000000, got 9223372036854775807");
  expect(R"({"batch_size": 9223372036854775807})", "batch_size: must be at most 1000000");
  expect(R"({"evaluation_batch_size": 1000001})", "must be at most 1000000");
  expect(R"({"data": {"validation": 9223372036854775807}})", "data.validation: must be at most");
  expect(R"({"schedule": {"milestones": [1000001]}})", "ascending and at most 1000000");
  expect(R"({"seed": -1})", "seed: expected an integer of at least 0");
  expect(R"({"data": {"augment": 1}})", "data.augment: expected true or false");
  expect(R"({"model": {"head": {"name": "soft_moe", "experts": 0}}})", "model.head.experts");
  expect(R"({"model": {"head": {"name": "sparse_moe", "experts": 4, "top_k": 5}}})",
         "model.head.top_k");
}

TEST(TrainConfigTest, LearningRateFollowsItsSchedule) {
  TrainConfig config = paper_training();
  EXPECT_DOUBLE_EQ(learning_rate(config, 29, 351, 352), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(config, 30, 0, 352), 0.01);
  EXPECT_DOUBLE_EQ(learning_rate(config, 40, 0, 352), 0.001);
  config.schedule.kind = "one_cycle";
  config.schedule.warmup_fraction = 0.5;
  config.epochs = 2;
  EXPECT_DOUBLE_EQ(learning_rate(config, 0, 0, 100), 0.1 / 25.0);
  EXPECT_DOUBLE_EQ(learning_rate(config, 0, 99, 100), 0.1);  // the peak, at half of 200 steps
  EXPECT_DOUBLE_EQ(learning_rate(config, 1, 99, 100), 0.1 / 25.0 / 1e4);
}

TEST(TrainConfigTest, MissingDeviceIsAUsageError) {
  TrainConfig config;
  config.device = "tpu";
  expect_error<UsageError>([&] { apply_execution(config); }, "tpu");
}

TEST(TrainConfigTest, ConvolutionsThatTheDeviceLacksAreAUsageError) {
  TrainConfig config;
  config.conv = "cudnn";
  expect_error<UsageError>([&] { apply_execution(config); },
                           "convolutions by cudnn need the device cuda, not cpu");
  config.conv = "fft";
  expect_error<UsageError>([&] { apply_execution(config); },
                           "unknown convolutions 'fft', expected own or cudnn");
}

TEST(SettingsTest, LayersReplaceFieldsAndChoicesReplaceObjects) {
  const json base = to_json(quick_training());
  json merged = merge_settings(base, parse_setting("optimizer.rate=0.25"));
  EXPECT_EQ(merged["optimizer"]["rate"], 0.25);
  EXPECT_EQ(merged["optimizer"]["momentum"], base["optimizer"]["momentum"]);
  // Fields of the dense head and of the old schedule do not survive; facts about the data do.
  merged["model"]["head"]["classes"] = 7;
  merged =
      merge_settings(merged, parse_setting(R"(model.head={"name": "hard_moe", "experts": 3})"));
  EXPECT_EQ(merged["model"]["head"], (json{{"name", "hard_moe"}, {"experts", 3}, {"classes", 7}}));
  merged = merge_settings(merged, parse_setting("schedule.kind=multi_step"));
  EXPECT_EQ(merged["schedule"], json({{"kind", "multi_step"}}));
  EXPECT_EQ(parse_train_config(merged, "merged").model.head.experts, 3);
}

TEST(SettingsTest, BadSettingsAreUsageErrors) {
  expect_error<UsageError>([] { parse_setting("rate"); }, "setting 'rate': expected PATH=VALUE");
  for (const char* path : {"a..b=1", ".a=1", "a.=1", ".=1"}) {
    expect_error<UsageError>([&] { parse_setting(path); }, "a field in the path has no name");
  }
  expect_error<UsageError>([] { parse_setting(R"(a={"b": 1, "b": 2})"); },
                           "the name 'b' occurs twice");
  expect_error<UsageError>([] { parse_setting(R"(a={"b": 1)"); }, "line 1, column");
  expect_error<UsageError>([] { parse_setting("a=\xff"); }, "not UTF-8");
  expect_error<UsageError>([] { parse_setting("\xff=1"); }, "not UTF-8");
  expect_error<UsageError>([] { parse_setting(std::string("a={}\0", 5)); }, "a NUL byte");
  for (const char* number : {".1", "1.", "+1", "010", "-.5e3", "1e999"}) {
    expect_error<UsageError>([&] { parse_setting("a=" + std::string(number)); },
                             std::string(number) + " is not how JSON writes a number");
  }
}

TEST(SettingsTest, AValueIsJsonOrAWord) {
  EXPECT_EQ(parse_setting("a=0.1"), (json{{"a", 0.1}}));
  EXPECT_EQ(parse_setting("a.b=[1, 2]"), (json{{"a", {{"b", {1, 2}}}}}));
  EXPECT_EQ(parse_setting("a=true"), (json{{"a", true}}));
  for (const char* word :
       {"cpu", "one_cycle", "Fashion-MNIST", "3digits", "-", ".", "a=b", "nan"}) {
    EXPECT_EQ(parse_setting("a=" + std::string(word)), (json{{"a", word}}));
  }
}

// A path of 20,000 parts took 20 s.
TEST(SettingsTest, ALongPathIsRefusedAtOnce) {
  std::string path = "a";
  for (int i = 0; i < 63; ++i) path += ".a";
  EXPECT_NO_THROW(parse_setting(path + "=1"));
  for (int i = 0; i < 20'000; ++i) path += ".a";
  expect_error<UsageError>([&] { parse_setting(path + "=1"); }, "more than 64 fields in the path");
}

TEST(SettingsTest, FirstDifferenceIsADottedPath) {
  const json a = {{"x", 1}, {"y", {{"z", 2}, {"w", 3}}}};
  json b = a;
  EXPECT_EQ(first_difference(a, b), "");
  b["y"]["z"] = 4;
  EXPECT_EQ(first_difference(a, b), "y.z");
  b = a;
  b["new"] = 0;
  EXPECT_EQ(first_difference(a, b), "new");
}

}  // namespace
}  // namespace switchyard::test
