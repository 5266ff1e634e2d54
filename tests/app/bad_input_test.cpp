// Each kind of bad input gives one clear line and exit code 1 or 2, and nothing is written.

#include <filesystem>

#include "engine/core/device.h"
#include "engine/io/files.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

namespace fs = std::filesystem;

class BadInputTest : public AppTest {
 protected:
  void expect_train_failure(const Arguments& changes, int code, const std::string& part) {
    expect_failure(train("run") + changes, code, part);
    EXPECT_FALSE(fs::exists(path("run")));
  }
  void set_config(const std::string& text) { write_bytes(path("config.json"), text); }
};

TEST_F(BadInputTest, Data) {
  const auto expect = [&](const std::string& part) { expect_train_failure({}, 1, part); };
  const std::string batch = data() + "/data_batch_2.bin";
  const std::string good = read_file(batch);
  write_bytes(batch, good.substr(0, good.size() - 1));
  expect("data_batch_2.bin");
  write_bytes(batch, good + "x");
  expect("data_batch_2.bin");
  write_bytes(batch, "");
  expect("data_batch_2.bin");
  std::string label = good;
  label[kCifarRecord * 3] = 10;
  write_bytes(batch, label);
  expect("label 10");
  fs::remove(batch);
  expect("data_batch_2.bin");
  fs::remove_all(data());
  expect(data());
  fs::create_directory(data());
  expect("no data set here");
}

TEST_F(BadInputTest, DataAsksForMoreThanThereIs) {
  expect_train_failure({"--set", "data.validation=300"}, 2, "data.validation");
  expect_train_failure({"--set", "data.set=MNIST"}, 2, "data.set");
  expect_train_failure({"--set", "model.backbone.in_channels=1"}, 2, "in_channels");
  expect_train_failure({"--set", "model.head.classes=7"}, 2, "model.head.classes");
}

TEST_F(BadInputTest, ConfigurationFile) {
  const Arguments with_file = {"--config", path("config.json")};
  const auto expect = [&](const std::string& text, int code, const std::string& part) {
    set_config(text);
    expect_train_failure(with_file, code, part);
  };
  expect(R"({"optimiser": {}})", 2, "config.json: unknown field optimiser");
  expect(R"({"epochs": 1.5})", 2, "epochs: expected an integer");
  expect(R"({"epochs": -1})", 2, "epochs: must be at least 1");
  expect(R"({"model": {"head": {"name": "sparse_moe", "experts": 4, "top_k": 5}}})", 2, "top_k");
  expect(R"({"model": {"head": {"name": "soft_moe", "experts": 0}}})", 2, "experts");
  expect(R"({"model": {"head": {"name": "dense", "width": -3}}})", 2, "width");
  expect(R"({"model": {"head": {"name": "dense", "experts": 3}}})", 2, "unknown field");
  expect(R"({"model": {"backbone": {"name": "resnet99"}}})", 2, "resnet99");
  expect(R"({"epochs": 1,})", 1, "config.json: line 1, column");
  expect(R"({"epochs": 1, "epochs": 2})", 1, "epochs");
  fs::remove(path("config.json"));
  expect_train_failure(with_file, 1, "config.json");
}

TEST_F(BadInputTest, OptionsReachTheFieldsOfThePickedHead) {
  expect_train_failure({"--head", "sparse_moe", "--set", "model.head.top_k=9"}, 2, "top_k");
  expect_train_failure({"--head", "soft_moe", "--set", "model.head.experts=0"}, 2, "experts");
}

TEST_F(BadInputTest, StudyConfiguration) {
  const auto expect = [&](const std::string& setting, const std::string& part) {
    expect_failure(
        {"study", "--preset", "tiny", "--data", data(), "--out", path("study"), "--set", setting},
        2, part);
    EXPECT_FALSE(fs::exists(path("study")));
  };
  expect("training.epochs=0", "training: epochs");
  expect("training.model.head.name=dense", "training: has no field model");
  expect("analysis.pictures=3", "unknown field analysis.pictures");
  expect("analysis.perturbation.points=4", "analysis.perturbation.points: must be odd");
  expect("analysis.perturbation.surface_points=6", "surface_points: must be odd");
  expect("analysis.perturbation.surface_points=1", "surface_points: must be 0 or at least 3");
  expect("analysis.perturbation.surface_limit=0", "surface_limit: must be positive");
  expect("analysis.perturbation.eigenvectors=0", "perturbation.eigenvectors: must be at least 1");
  expect("analysis.perturbation.radii=[0.1,0.05]", "perturbation.radii: must be ascending");
  expect("analysis.perturbation.radii=[0]", "perturbation.radii: must be positive, got 0");
  expect("analysis.perturbation.ascent_steps=-1", "ascent_steps: must be at least 0");
  expect("analysis.perturbation.noise_sigmas=0.1", "perturbation.noise_sigmas: expected");
  expect("analysis.perturbation.noise_pairs=0", "noise_pairs: must be at least 1");
  expect("analysis.perturbation.gradient=1", "perturbation.gradient: expected");
  expect("analysis.curvature.tolerance=0", "analysis.curvature.tolerance: must be positive");
  expect("analysis.efficiency.batch_sizes=[0]", "analysis.efficiency.batch_sizes");
  expect("analysis.dtype=uint8", "analysis.dtype");
  expect(R"(analysis.hessian=[{"blocks": ["head.gat"]}])", "analysis.hessian[0]: no model has");
  expect("heads=[]", "heads: must not be empty");
  expect(R"(heads=["tall"])", "heads[0]");
  expect(R"(heads=["dense", {"name": "sparse_moe", "top_k": 9}])", "heads[1]");
  expect("seeds=0", "seeds");
}

TEST_F(BadInputTest, Device) {
  expect_train_failure({"--device", "abacus"}, 2, "unknown device 'abacus', available devices: ");
  const std::string reason = unavailable_reason(Device::kCuda);
  if (reason.empty()) GTEST_SKIP() << "the device cuda is there";
  expect_train_failure({"--device", "cuda"}, 2, reason);
  expect_failure({"study", "--device", "cuda", "--data", data(), "--out", path("study")}, 2,
                 reason);
  EXPECT_FALSE(fs::exists(path("study")));
}

TEST_F(BadInputTest, OutputDirectory) {
  fs::create_directory(path("full"));
  write_bytes(path("full/precious"), "data");
  for (const char* command : {"train", "study"}) {
    const auto into = [&](const std::string& out) {
      return Arguments{command, "--preset", "tiny", "--data", data(), "--out", out};
    };
    expect_failure(into(path("full")), 2, "exists already");
    expect_failure(into(path("full/precious")), 2, "exists already");
    expect_failure(into(path("full/precious/below")), 2, "cannot create");
    expect_failure(into("/proc/switchyard-out"), 2, "cannot create");
    expect_failure({command, "--resume", "--out", path("nothing")}, 1, "nothing");
  }
  EXPECT_EQ(read_file(path("full/precious")), "data");
}

TEST_F(BadInputTest, RunsAndReports) {
  expect_failure({"hessian", "--run", path("none")}, 1, "no run directory");
  expect_failure({"perturb", "--run", path("none")}, 1, "no run directory");
  expect_failure({"report", path("none")}, 1, "none");
  expect_failure({"hessian", "--run", path("none"), "--set", "images=0"}, 2, "images");
}

}  // namespace
}  // namespace switchyard::test
