#include <cmath>
#include <limits>

#include "engine/io/safetensors.h"
#include "tests/app/app_test.h"

namespace switchyard::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class RouteTest : public AppTest {
 protected:
  void write_logits(const Shape& shape, const std::vector<double>& values) {
    write_safetensors(path("logits"), {{{"logits", Tensor::from(shape, values)}}, {}});
  }
  Arguments route(const std::string& k) const {
    return {"route", "--logits", path("logits"), "--k", k, "--out", path("out")};
  }
  std::map<std::string, Tensor> routed(const Arguments& arguments) const {
    expect_success(arguments);
    return read_safetensors(path("out")).tensors;
  }
};

TEST_F(RouteTest, ChoosesSortsAndWeighs) {
  // Ties go to the lower index; expert 3 gets nothing.
  write_logits({3, 4}, {0, 2, 2, -9, 1, 0, 0, -9, 5, 4, 4, -9});
  auto out = routed(route("2"));
  EXPECT_EQ(out["indices"].to_doubles(), (std::vector<double>{1, 2, 0, 1, 0, 1}));
  EXPECT_EQ(out["offsets"].to_doubles(), (std::vector<double>{0, 2, 5, 6, 6}));
  EXPECT_EQ(out["permutation"].to_doubles(), (std::vector<double>{2, 4, 0, 3, 5, 1}));
  const std::vector<double> weights = out["weights"].to_doubles();
  const double first = 1.0 / (1.0 + std::exp(-1.0));
  for (std::size_t i = 0; i < 6; ++i) {
    const double expected = i < 2 ? 0.5 : (i % 2 == 0 ? first : 1.0 - first);
    EXPECT_NEAR(weights[i], expected, 1e-15);
  }
  EXPECT_EQ(out["weights"].dtype(), DType::kFloat64);

  out = routed(route("1") + Arguments{"--order", "softmax_topk"});
  const double total = 1.0 + 2.0 * std::exp(2.0) + std::exp(-9.0);
  EXPECT_NEAR(out["weights"].to_doubles()[0], std::exp(2.0) / total, 1e-15);
  out = routed(route("1") + Arguments{"--order", "softmax_topk_renormalized"});
  EXPECT_EQ(out["weights"].to_doubles(), (std::vector<double>{1, 1, 1}));
}

TEST_F(RouteTest, CapacityDropsTheLaterTokens) {
  write_logits({3, 2}, {1, 0, 2, 0, 3, 0});
  const std::string said = expect_success(route("1") + Arguments{"--capacity", "2"});
  EXPECT_NE(said.find("1 dropped"), std::string::npos) << said;
  auto out = read_safetensors(path("out")).tensors;
  EXPECT_EQ(out["offsets"].to_doubles(), (std::vector<double>{0, 2, 2}));
  EXPECT_EQ(out["permutation"].to_doubles(), (std::vector<double>{0, 1}));
}

TEST_F(RouteTest, NoTokensAreLegal) {
  write_logits({0, 3}, {});
  auto out = routed(route("2"));
  EXPECT_EQ(out["indices"].shape(), (Shape{0, 2}));
  EXPECT_EQ(out["offsets"].to_doubles(), (std::vector<double>{0, 0, 0, 0}));
}

#ifdef SWITCHYARD_SIMT
TEST_F(RouteTest, EveryVariantOnTheExecutorChoosesAsTheCpuDoes) {
  write_logits({3, 4}, {0, 2, 2, -9, 1, 0, 0, -9, 5, 4, 4, -9});
  auto want = routed(route("2"));
  for (const char* variant :
       {"gate_separate_kernels", "gate_warp_per_token", "gate_lanes_per_token"}) {
    auto got = routed(route("2") + Arguments{"--device", "simt", "--impl", variant});
    for (const char* tensor : {"indices", "offsets", "permutation"}) {
      EXPECT_EQ(got[tensor].to_doubles(), want[tensor].to_doubles()) << variant << ", " << tensor;
    }
    const std::vector<double> weights = got["weights"].to_doubles();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      EXPECT_NEAR(weights[i], want["weights"].to_doubles()[i], 1e-15) << variant;
    }
  }
  expect_failure(route("2") + Arguments{"--device", "simt", "--impl", "gate_by_hand"}, 2,
                 "on device simt gate has no rung 'gate_by_hand'; there are gate_separate_kernels, "
                 "gate_warp_per_token, gate_lanes_per_token");
  expect_failure(route("2") + Arguments{"--impl", "gate_warp_per_token"}, 2,
                 "on device cpu gate has no rung 'gate_warp_per_token'");
}
#endif

TEST_F(RouteTest, BadInput) {
  write_logits({2, 3}, {0, 1, 2, 3, 4, 5});
  expect_failure(route("4"), 2, "--k: must be between 1 and the 3 experts");
  expect_failure(route("0"), 2, "--k: must be between 1 and the 3 experts");
  expect_failure(route("two"), 2, "--k");
  expect_failure(route("1") + Arguments{"--order", "sideways"}, 2, "--order");
  expect_failure(route("1") + Arguments{"--capacity", "-1"}, 2, "--capacity");
  write_logits({2, 3}, {0, 1, 2, 3, std::nan(""), 5});
  expect_failure(route("1"), 1, "row 1");
  write_logits({2, 3}, {-kInfinity, -kInfinity, -kInfinity, 3, 4, 5});
  expect_failure(route("1"), 1, "row 0");
  write_logits({2, 3}, {0, 1, 2, 3, kInfinity, kInfinity});
  expect_failure(route("2"), 1, "row 1");
  write_logits({6}, {0, 1, 2, 3, 4, 5});
  expect_failure(route("1"), 1, "logits must be [T, E], got [6]");
  write_logits({2, 0}, {});
  expect_failure(route("1"), 1, "no experts");
  write_safetensors(path("logits"), {{{"logits", Tensor::zeros({2, 3}, DType::kInt64)}}, {}});
  expect_failure(route("1"), 1, "logits must be float32 or float64, got int64");
  write_safetensors(path("logits"), {{{"scores", Tensor::zeros({2, 3}, DType::kFloat32)}}, {}});
  expect_failure(route("1"), 1, "the tensor logits is missing");
}

}  // namespace
}  // namespace switchyard::test
