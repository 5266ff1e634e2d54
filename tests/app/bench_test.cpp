// `switchyard bench`: what it prints, and what it says to bad input.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "tests/app/app_test.h"
#include "tests/app/program.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

const Arguments kSmall = {"--tokens",  "16",    "--width",   "8", "--hidden",  "8",
                          "--seconds", "0.001", "--repeats", "1", "--threads", "1"};

Arguments bench(const Arguments& more) { return Arguments{"bench"} + more + kSmall; }

class BenchTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (scratch_ / name).string(); }
  TemporaryDirectory scratch_;
};

TEST_F(BenchTest, MoePrintsALinePerRung) {
  const std::string out = expect_success(bench({"moe"}));
  for (const char* word : {"T16 D8 H8 C8 E8 k2 relu uniform", "mask_loop", "sorted_loop", "grouped",
                           "MB moved", "error"}) {
    EXPECT_NE(out.find(word), std::string::npos) << word << "\n" << out;
  }
}

TEST_F(BenchTest, RunsOnTheExecutorAndSaysNothingOfItsRates) {
  const json result = json::parse(expect_success(bench({"moe", "--device", "simt", "--json"})));
  for (const json& row : result.at("benchmarks")) {
    EXPECT_EQ(row.at("device"), "simt");
    EXPECT_GT(row.at("launches"), 0);
    EXPECT_FALSE(row.contains("share_of_copy"));
    EXPECT_FALSE(row.contains("cold_time_ns"));
  }
}

TEST_F(BenchTest, EveryOrderAndRoutingRun) {
  for (const char* order : {"backward", "training", "hvp"}) {
    expect_success(
        bench({"moe", "--order", order, "--dtype", "float64", "--activation", "swiglu"}));
  }
  expect_success(bench({"moe", "--order", "training", "--dtype", "bfloat16"}));
  expect_failure(bench({"routing", "--dtype", "bfloat16"}), 2,
                 "--dtype: routing is measured in float32 or float64");
  const std::string out = expect_success(bench({"routing"}));
  for (const char* word :
       {"slots_and_back default", "route_separate_kernels", "tiles of 64 slots"}) {
    EXPECT_NE(out.find(word), std::string::npos) << word << "\n" << out;
  }
  EXPECT_EQ(out.find("cold L2"), std::string::npos) << "the host has none\n" << out;
}

TEST_F(BenchTest, WritesTableCsvPageAndJson) {
  const json result = json::parse(
      expect_success(bench({"moe", "--experts", "2,4", "--distribution", "balanced,zipf", "--map",
                            "--csv", path("b.csv"), "--html", path("b.html"), "--json"})));
  EXPECT_EQ(result.at("benchmarks").size() % 4, 0U);
  EXPECT_TRUE(result.at("context").at("machine").contains("cpu"));
  EXPECT_NE(read_file(path("b.html")).find("drawMap"), std::string::npos);
  const std::string csv = read_file(path("b.csv"));
  EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')),
            result.at("benchmarks").size() + 1);
}

TEST_F(BenchTest, TheSameSeedAndStepNameTheSameRowsAndCompareReadsThem) {
  const Arguments call = {"bench",    "moe", "--json",    "--width", "8",         "--hidden", "8",
                          "--tokens", "24",  "--seconds", "0.001",   "--threads", "1"};
  write_file_atomic(path("old.json"), expect_success(call));
  write_file_atomic(path("new.json"), expect_success(call));
  const std::string out = expect_success({"bench", "compare", path("old.json"), path("new.json")});
  EXPECT_EQ(out.find("only"), std::string::npos) << out;
  const json rows = json::parse(
      expect_success({"bench", "compare", path("old.json"), path("new.json"), "--json"}));
  EXPECT_EQ(rows.at("rows").size(),
            json::parse(read_file(path("old.json"))).at("benchmarks").size());
}

TEST_F(BenchTest, WhatIsStoppedLeavesWhatItHasMeasured) {
  const Arguments many = {"bench",     "moe",
                          "--tokens",  "8",
                          "--width",   "8",
                          "--hidden",  "8",
                          "--sweep",   "experts,k,distribution",
                          "--seconds", "0.5",
                          "--csv",     path("b.csv"),
                          "--html",    path("b.html"),
                          "--json",    "--threads",
                          "1"};
  Program program(switchyard_command(many));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!path_exists(path("b.csv")) || read_file(path("b.csv")).find("T8/") == std::string::npos) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no workload ended";
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  program.signal(SIGINT);
  const ProgramResult stopped = program.wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  const std::size_t rows = json::parse(stopped.out).at("benchmarks").size();
  EXPECT_GT(rows, 0U);
  EXPECT_LT(rows, 4U * 21U) << "all of them";
  const std::string csv = read_file(path("b.csv"));
  EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')), rows + 1);
  EXPECT_NE(read_file(path("b.html")).find("T8/"), std::string::npos);
}

TEST_F(BenchTest, WritesAProblemForOtherPrograms) {
  expect_success(bench({"moe", "--biases", "--write-problem", path("p.safetensors")}));
  const TensorFile file = read_safetensors(path("p.safetensors"));
  for (const char* name : {"logits", "x", "gy", "weights", "indices", "w_in", "b_in", "w_out",
                           "b_out", "y", "grad.x", "grad.weights", "grad.w_in", "grad.b_out"}) {
    EXPECT_TRUE(file.tensors.contains(name)) << name;
  }
  EXPECT_EQ(file.metadata.at("activation"), "relu");
}

TEST_F(BenchTest, BadOptions) {
  const auto fails = [&](const Arguments& arguments, const std::string& part) {
    expect_failure(Arguments{"bench"} + arguments, 2, part);
  };
  fails({}, "WHAT");
  fails({"mo"}, "did you mean 'moe'?");
  fails({"moe", "--preset", "mixtral-8x7"}, "did you mean 'mixtral-8x7b'?");
  fails({"moe", "--distribution", "zip"}, "did you mean 'zipf'?");
  fails({"moe", "--order", "forwards"}, "did you mean 'forward'?");
  fails({"moe", "--variant", "fusd"}, "--variant: no variant 'fusd', there are: all, mask_loop");
  fails({"moe", "--dtype", "int64"}, "--dtype");
  fails({"moe", "--k", "9"}, "--k: must be between 1 and the 8 experts, got 9");
  fails({"moe", "--experts", "0"}, "--experts");
  fails({"moe", "--tokens", "-1"}, "--tokens");
  fails({"moe", "--sweep", "width"}, "--sweep");
  fails({"moe", "--memory-limit", "8GB"}, "--memory-limit: expected a number");
  fails({"moe", "extra"}, "nothing takes the argument extra");
  fails({"compare", "one.json"}, "expected two files, OLD and NEW, got 1");
}

TEST_F(BenchTest, WhatDoesNotFitIntoMemoryIsSaidBeforeItIsAllocated) {
  expect_failure({"bench", "moe", "--preset", "deepseek-v3", "--memory-limit", "2GiB"}, 1,
                 "--memory-limit allows 2.00 GiB");
}

TEST_F(BenchTest, Traces) {
  TensorFile file;
  file.tensors["routed_experts"] = Tensor::from<std::int64_t>({3, 1, 2}, {0, 1, 2, 3, 0, 7});
  write_safetensors(path("t.safetensors"), file);
  const Arguments with_trace = {"bench", "moe",      "--trace", path("t.safetensors"), "--width",
                                "8",     "--hidden", "8",       "--seconds",           "0.001"};
  const std::string out = expect_success(with_trace);
  EXPECT_NE(out.find("T3 D8 H8 C8 E8 k2 relu trace, 5 experts with tokens"), std::string::npos)
      << out;
  expect_failure(with_trace + Arguments{"--experts", "4"}, 1,
                 "routed_experts row 2 names expert 7, expected 0 to 3");
  expect_failure(with_trace + Arguments{"--k", "1"}, 2, "has 2 choices a token, got 1");
  expect_failure(with_trace + Arguments{"--tokens", "4"}, 2, "the trace has 3");
  expect_failure(with_trace + Arguments{"--layer", "1"}, 2, "no layer 1");
  expect_failure(with_trace + Arguments{"--sweep", "k"}, 2, "--trace: a trace fixes tokens");
  expect_failure({"bench", "moe", "--trace", path("none.npy")}, 1, "none.npy");
}

TEST_F(BenchTest, FilesThatCompareCannotRead) {
  write_file_atomic(path("a.json"), "{}");
  expect_failure({"bench", "compare", path("a.json"), path("a.json")}, 1, "a.json");
  expect_failure({"bench", "compare", path("none.json"), path("a.json")}, 1, "none.json");
}

}  // namespace
}  // namespace switchyard::test
