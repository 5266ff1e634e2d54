#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "models/state.h"
#include "tests/app/app_test.h"
#include "tests/support/devices.h"
#include "tests/support/tensors.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

constexpr std::int64_t kImages = 6;

/// Files of a small sparse model in float64 with random weights, a batch and a direction.
class ProbeTest : public AppTest {
 protected:
  ProbeTest() {
    std::uint64_t seed = 100;
    for (auto& [name, tensor] : weights_.tensors) {
      if (!name.ends_with("num_batches_tracked") && !name.ends_with("running_var")) {
        batch_.tensors["direction." + name] = random_tensor(tensor.shape(), ++seed);
      }
      if (name.ends_with("running_mean")) batch_.tensors.erase("direction." + name);
    }
    batch_.tensors["images"] = random_tensor({kImages, 3, 8, 8}, 7, DType::kFloat32);
    batch_.tensors["labels"] =
        Tensor::from<std::int64_t>({kImages}, std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
    write();
  }

  void write() {
    write_safetensors(path("weights"), weights_);
    write_safetensors(path("batch"), batch_);
  }

  Arguments probe(const std::string& dtype = "float64") const {
    return {"probe",       "--model", model_text_, "--weights", path("weights"), "--batch",
            path("batch"), "--dtype", dtype,       "--out",     path("out")};
  }
  TensorMap probed(const Arguments& more = {}, const std::string& dtype = "float64") const {
    expect_success(probe(dtype) + more);
    return read_safetensors(path("out")).tensors;
  }

  const std::string model_text_ =
      R"({"backbone": {"name": "small"}, "head": {"name": "sparse_moe", "experts": 4,
          "expert_width": 8}})";
  std::unique_ptr<Classifier> model_ = make_classifier(
      parse_model_config(json::parse(model_text_), "test"), Generator(11), DType::kFloat64);
  TensorFile weights_ = {state_dict(*model_), {}};
  TensorFile batch_;
};

TEST_F(ProbeTest, WritesTheDocumentedTensors) {
  for (const char* dtype : {"float32", "float64"}) {
    const TensorMap out = probed({}, dtype);
    EXPECT_EQ(out.at("logits").shape(), (Shape{kImages, 10}));
    EXPECT_EQ(out.at("loss").shape(), Shape());
    EXPECT_EQ(out.at("balance_loss").shape(), Shape());
    EXPECT_EQ(out.at("gate.probs").shape(), (Shape{kImages, 4}));
    EXPECT_EQ(out.at("gate.indices").shape(), (Shape{kImages, 2}));
    EXPECT_EQ(out.at("gate.indices").dtype(), DType::kInt64);
    EXPECT_EQ(out.at("logits").dtype(), parse_dtype(dtype));
    std::size_t parameters = 0;
    for (const nn::PublishedTensor& parameter : nn::published(model_->parameters())) {
      const Shape shape = file_shape(parameter.tensor.shape(), parameter.layout);
      EXPECT_EQ(out.at("grad." + parameter.name).shape(), shape) << parameter.name;
      EXPECT_EQ(out.at("hvp." + parameter.name).shape(), shape) << parameter.name;
      ++parameters;
    }
    EXPECT_EQ(out.size(), 5 + 2 * parameters);
  }
}

/// The gradient is the loss's, and the product is the gradient's derivative along the direction:
/// central differences of the program's own output at shifted weights.
TEST_F(ProbeTest, GradientsAndProductsAgreeWithFiniteDifferences) {
  for (const char* loss : {"cross_entropy", "objective"}) {
    const Arguments which = {"--loss", loss};
    const TensorMap centre = probed(which);
    const double step = 1e-6;
    TensorMap sides[2];
    for (int side = 0; side < 2; ++side) {
      TensorFile shifted = weights_;
      for (const nn::PublishedTensor& parameter : nn::published(model_->parameters())) {
        const std::string& name = parameter.name;
        Tensor value = weights_.tensors.at(name).clone();
        const Tensor& direction = batch_.tensors.at("direction." + name);
        for (std::int64_t i = 0; i < value.numel(); ++i) {
          value.data<double>()[i] += (side == 0 ? -step : step) * direction.data<double>()[i];
        }
        shifted.tensors[name] = value;
      }
      write_safetensors(path("weights"), shifted);
      sides[side] = probed(which);
    }
    write();
    double slope = 0.0;
    for (const nn::PublishedTensor& parameter : nn::published(model_->parameters())) {
      const std::string& name = parameter.name;
      const std::vector<double> gradient = centre.at("grad." + name).to_doubles();
      const std::vector<double> direction = batch_.tensors.at("direction." + name).to_doubles();
      std::vector<double> difference = sides[1].at("grad." + name).to_doubles();
      const std::vector<double> lower = sides[0].at("grad." + name).to_doubles();
      for (std::size_t i = 0; i < difference.size(); ++i) {
        slope += gradient[i] * direction[i];
        difference[i] = (difference[i] - lower[i]) / (2.0 * step);
      }
      const std::vector<double> product = centre.at("hvp." + name).to_doubles();
      EXPECT_LT(relative_error(product, difference), 1e-5) << name;
    }
    const double difference =
        (sides[1].at("loss").item() - sides[0].at("loss").item()) / (2.0 * step);
    EXPECT_NEAR(slope, difference, 1e-6 * std::abs(difference));
  }
}

class ProbeDeviceTest : public ProbeTest, public testing::WithParamInterface<Device> {};

/// Logits, gate, gradients and products of another device are the CPU's.
TEST_P(ProbeDeviceTest, AgreesWithTheCpu) {
  SWITCHYARD_NEEDS_DEVICE(GetParam());
  for (const char* dtype : {"float32", "float64"}) {
    for (const char* mode : {"eval", "train"}) {
      const Arguments which = {"--loss", "objective", "--mode", mode};
      const TensorMap cpu = probed(which, dtype);
      const TensorMap ours =
          probed(which + Arguments{"--device", std::string(name(GetParam()))}, dtype);
      ASSERT_EQ(ours.size(), cpu.size());
      for (const auto& [tensor, expected] : cpu) {
        SCOPED_TRACE(tensor);
        expect_close(ours.at(tensor), expected,
                     parse_dtype(dtype) == DType::kFloat64 ? 1e-9 : 1e-4);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ProbeDeviceTest, other_devices(), device_test_name);

TEST_F(ProbeTest, ObjectiveAddsTheBalanceLoss) {
  const TensorMap fit = probed();
  const TensorMap objective = probed({"--loss", "objective"});
  EXPECT_GT(fit.at("balance_loss").item(), 0.0);
  EXPECT_NEAR(objective.at("loss").item(), fit.at("loss").item() + fit.at("balance_loss").item(),
              1e-12);
}

TEST_F(ProbeTest, TrainingModeIsSeeded) {
  const Arguments train = {"--mode", "train"};
  const TensorMap a = probed(train);
  const TensorMap b = probed(train);
  const TensorMap c = probed(train + Arguments{"--seed", "2"});
  expect_same_bits(a.at("logits"), b.at("logits"));
  EXPECT_GT(relative_error(a.at("logits"), c.at("logits")), 1e-3);
  EXPECT_GT(relative_error(a.at("logits"), probed().at("logits")), 1e-3);
}

TEST_F(ProbeTest, WithoutADirectionThereIsNoProduct) {
  std::erase_if(batch_.tensors, [](const auto& entry) { return entry.first.starts_with("dir"); });
  write();
  for (const auto& [name, tensor] : probed()) EXPECT_FALSE(name.starts_with("hvp.")) << name;
}

TEST_F(ProbeTest, BadBatches) {
  const TensorFile good = batch_;
  const auto expect = [&](const std::string& tensor, const Tensor& value, const std::string& part) {
    batch_ = good;
    if (value.defined()) {
      batch_.tensors[tensor] = value;
    } else {
      batch_.tensors.erase(tensor);
    }
    write();
    expect_failure(probe(), 1, part);
  };
  const auto labels = [](std::int64_t last) {
    return Tensor::from<std::int64_t>({kImages}, std::vector<std::int64_t>{0, 1, 2, 3, 4, last});
  };
  expect("images", {}, "the tensor images is missing");
  expect("labels", {}, "the tensor labels is missing");
  expect("images", random_tensor({kImages, 8, 8, 3}, 1), "images must be [N, 3, H, W]");
  expect("images", Tensor::zeros({kImages, 3, 8, 8}, DType::kInt64), "images must be float32");
  expect("images", Tensor::full({kImages, 3, 8, 8}, HUGE_VAL, DType::kFloat32), "images");
  expect("labels", labels(10), "labels[5] is 10, there are 10 classes");
  expect("labels", labels(-1), "labels[5] is -1");
  expect("labels", Tensor::zeros({3}, DType::kInt64), "labels must be [6]");
  expect("labels", Tensor::zeros({kImages}, DType::kInt32), "labels must be int64");
  expect("pictures", Tensor::zeros({1}, DType::kFloat32), "unknown tensors: pictures");
  expect("direction.head.nothing", Tensor::zeros({1}, DType::kFloat64), "direction.head.nothing");
  expect("direction.head.gate.w_gate.bias", Tensor::zeros({3}, DType::kFloat64),
         "direction.head.gate.w_gate.bias must have shape [4]");
}

TEST_F(ProbeTest, BadWeights) {
  const TensorFile good = weights_;
  const std::string name = "head.gate.w_gate.bias";
  const auto expect_tensor = [&](const Tensor& value, const std::string& part) {
    weights_ = good;
    weights_.tensors[name] = value;
    write();
    expect_failure(probe(), 1, part);
  };
  expect_tensor(Tensor::zeros({5}, DType::kFloat64), name + " must have shape [4], got [5]");
  expect_tensor(Tensor::zeros({4}, DType::kInt64), name + " must be float64, got int64");
  expect_tensor(Tensor::full({4}, std::nan(""), DType::kFloat64), name);
  weights_ = good;
  weights_.tensors.erase(name);
  weights_.tensors.erase("backbone.backbone.bn1.running_mean");
  weights_.tensors["head.surplus"] = Tensor::zeros({1}, DType::kFloat32);
  write();
  expect_failure(probe(), 1, name);
  expect_failure(probe(), 1, "backbone.backbone.bn1.running_mean");
  expect_failure(probe(), 1, "head.surplus");

  weights_ = good;
  write();
  const std::string bytes = read_file(path("weights"));
  const auto expect_bytes = [&](const std::string& damaged, const std::string& part) {
    write_bytes(path("weights"), damaged);
    expect_failure(probe(), 1, part);
  };
  expect_bytes(bytes.substr(0, bytes.size() - 9), "weights");
  expect_bytes(bytes.substr(0, 5), "weights");
  expect_bytes(std::string(8, '\xff') + bytes.substr(8), "weights");  // header beyond the file
  expect_bytes(bytes.substr(0, 8) + "}" + bytes.substr(9), "weights");
  expect_bytes("", "weights");
  std::filesystem::remove(path("weights"));
  expect_failure(probe(), 1, "weights");
}

TEST_F(ProbeTest, BadModels) {
  const auto expect = [&](const std::string& model, int code, const std::string& part) {
    Arguments arguments = probe();
    arguments[2] = model;
    expect_failure(arguments, code, part);
  };
  expect("{", 1, "--model: line 1");
  expect("{}", 2, "--model: the field model.head is missing");
  expect(R"({"head": {"name": "tall"}})", 2, "model.head.name");
  expect(R"({"head": {"name": "sparse_moe", "experts": 2, "top_k": 3}})", 2, "model.head.top_k");
  expect(path("none.json"), 1, "none.json");
  expect(R"({"backbone": {"name": "small"}, "head": {"name": "dense"}})", 1,
         "missing: head.fc.0.weight");
}

TEST_F(ProbeTest, HessianOfABatchAgreesWithItself) {
  std::erase_if(batch_.tensors, [](const auto& entry) { return entry.first.starts_with("dir"); });
  write();
  const Arguments hessian = {"hessian",       "--model",       model_text_,
                             "--weights",     path("weights"), "--batch",
                             path("batch"),   "--json",        "--set",
                             "dtype=float64", "--set",         "curvature.trace_samples=2"};
  const json curvature = json::parse(expect_success(hessian));
  EXPECT_EQ(curvature["images"], kImages);
  EXPECT_NEAR(curvature["loss"], probed().at("loss").item(), 1e-12);
  const json& top = curvature["largest_eigenvalue"];
  EXPECT_GT(top["value"], 0.0);
  EXPECT_LT(top["residual"], 1e-2 * top["value"].get<double>());
  EXPECT_EQ(curvature["trace"]["samples"], 2);
  EXPECT_GT(curvature["routing_margin"]["median"], 0.0);
}

}  // namespace
}  // namespace switchyard::test
