#include "analysis/xray/bound.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/core/check.h"
#include "engine/io/json.h"
#include "kernels/api/temporary_directory.h"
#include "tests/analysis/xray/document.h"

namespace switchyard::xray {
namespace {

using nlohmann::json;

/// Rates that make every part easy to work out.
Gpu round_gpu() {
  Gpu gpu;
  gpu.name = "round";
  gpu.source = "made up";
  gpu.multiprocessors = 10;
  gpu.clock = 1e9;
  gpu.memory_bandwidth = 1e12;
  gpu.cache_bytes = 1e6;
  gpu.float32 = 1e12;
  gpu.float64 = 1e11;
  gpu.tensor_bfloat16 = 1e13;
  gpu.launch_seconds = 1e-6;
  return gpu;
}

TEST(Bound, IsTheLargestPartAndTheLaunches) {
  json document = test::document_of({test::run_of("a", {{"warp_instructions", 400}})});
  json& launch = document["ladder"][0]["launches"][0]["total"];
  launch["kinds"] = {{"move", 100}, {"constant", 100}, {"integer", 200}};
  launch["flops"] = 4000;
  launch["shared"]["turns"] = 1000;
  document["ladder"][0]["compulsory"]["bytes"] = 10'000;
  add_bounds(document, round_gpu());
  const json& run = document["ladder"][0]["bound"];
  EXPECT_DOUBLE_EQ(run["parts"]["issue"], 200 / 4e10);
  EXPECT_DOUBLE_EQ(run["parts"]["flops"], 4e-9);
  EXPECT_DOUBLE_EQ(run["parts"]["shared_turns"], 1e-7);
  EXPECT_DOUBLE_EQ(run["parts"]["memory"], 1e-8);
  EXPECT_DOUBLE_EQ(run["seconds"], 1e-7 + 1e-6);
  EXPECT_EQ(run["limited_by"], "launches");
  EXPECT_EQ(document["ladder"][0]["launches"][0]["bound"]["limited_by"], "shared_turns");

  document["ladder"][0]["compulsory"]["bytes"] = 10'000'000;
  add_bounds(document, round_gpu());
  EXPECT_EQ(document["ladder"][0]["bound"]["limited_by"], "memory");
  EXPECT_DOUBLE_EQ(document["ladder"][0]["bound"]["seconds"], 1e-5 + 1e-6);
}

TEST(Bound, TakesTheBytesThatACacheOfTheGpusSizeMisses) {
  json document = test::document_of({test::run_of("a", {{"warp_instructions", 4}})});
  json& run = document["ladder"][0];
  run["compulsory"]["bytes"] = 10'000'000;
  const auto bytes_of = [&](int read_by_half, int read_by_whole) {
    run["launches"][0]["cache"]["curve"] = {
        {{"cache_bytes", 500'000}, {"read_bytes", read_by_half}, {"written_bytes", 0}},
        {{"cache_bytes", 1'000'000}, {"read_bytes", read_by_whole}, {"written_bytes", 1'000'000}}};
    add_bounds(document, round_gpu());
    return run["bound"]["memory_bytes"].get<double>();
  };
  EXPECT_DOUBLE_EQ(bytes_of(90'000'000, 29'000'000), 3e7);
  EXPECT_EQ(run["bound"]["memory_bytes_of"], "cache");
  EXPECT_DOUBLE_EQ(run["bound"]["parts"]["memory"], 3e-5);
  EXPECT_DOUBLE_EQ(run["bound"]["seconds"], 3e-5 + 1e-6);
  EXPECT_DOUBLE_EQ(bytes_of(90'000'000, 5'000'000), 1e7);  // less than has to cross once
  EXPECT_EQ(run["bound"]["memory_bytes_of"], "compulsory");
  // What the first of two launches leaves in the cache, the second need not fetch.
  run["launches"].push_back(run["launches"][0]);
  EXPECT_DOUBLE_EQ(bytes_of(90'000'000, 29'000'000), 1e7);
}

TEST(Bound, TensorCoresThatLackTheTypeGiveNone) {
  json document = test::document_of({test::run_of("a", {})});
  json& run = document["ladder"][0];
  run["dtype"] = "bfloat16";
  run["launches"][0]["total"]["tensor_flops"] = run["total"]["tensor_flops"] = 1'000'000;
  add_bounds(document, round_gpu());
  EXPECT_DOUBLE_EQ(run["bound"]["parts"]["tensor_flops"], 1e-7);
  EXPECT_FALSE(run["bound"].contains("lacks"));
  run["dtype"] = "float32";  // whose operands would be tf32
  add_bounds(document, round_gpu());
  EXPECT_DOUBLE_EQ(run["bound"]["parts"]["tensor_flops"], 0.0);
  EXPECT_EQ(run["bound"]["lacks"], "tensor cores for float32");
}

TEST(Gpu, RatesAreThoseOfMultiprocessorsAndClock) {
  for (const Gpu& gpu : gpus()) {
    EXPECT_FALSE(gpu.source.empty());
    // 64 or 128 lanes a multiprocessor, 2 flops each a clock: the maker's figure, rounded.
    const double lanes = gpu.float32 / (2.0 * gpu.multiprocessors * gpu.clock);
    EXPECT_NEAR(lanes, lanes > 96 ? 128 : 64, 1.0) << gpu.name;
  }
}

TEST(Gpu, AFileIsReadStrictly) {
  const TemporaryDirectory scratch;
  const std::string file = (scratch / "mine.json").string();
  json fields = gpu_json(find_gpu("a100"));
  write_json_atomic(file, fields);
  EXPECT_EQ(gpu_json(find_gpu(file)), fields);
  const auto fails = [&](const json& wrong, const std::string& part) {
    write_json_atomic(file, wrong);
    try {
      find_gpu(file);
      ADD_FAILURE() << "took " << wrong;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  json wrong = fields;
  wrong.erase("clock");
  fails(wrong, "mine.json: the number clock is missing");
  wrong = fields;
  wrong["memory_bandwidth"] = -1;
  fails(wrong, "memory_bandwidth must be above 0");
  wrong = fields;
  wrong["multiprocessors"] = 1.5;
  fails(wrong, "whole number");
  wrong = fields;
  wrong.erase("source");
  fails(wrong, "the text source is missing");
  fails(json::array(), "expected an object");
  EXPECT_THROW(find_gpu("none"), UsageError);
}

}  // namespace
}  // namespace switchyard::xray
