// Opens pages of documents with several runs, films, a cache curve, bounds and findings in a real
// browser; skipped with the reason where there is none. Pages of real kernels: tests/app.

#include <gtest/gtest.h>

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "analysis/xray/page.h"
#include "engine/io/files.h"
#include "kernels/api/temporary_directory.h"
#include "tests/support/xray_page.h"

namespace switchyard::test {
namespace {

using nlohmann::json;

json counts(int warps, int sectors, int ideal_sectors, int turns, int ideal_turns) {
  return {
      {"warp_instructions", warps},
      {"lane_instructions", 32 * warps},
      {"kinds", {{"integer", warps / 2}, {"global load", warps - warps / 2}}},
      {"global",
       {{"requests", 4}, {"bytes", 512}, {"sectors", sectors}, {"ideal_sectors", ideal_sectors}}},
      {"shared", {{"requests", 4}, {"bytes", 512}, {"turns", turns}, {"ideal_turns", ideal_turns}}},
      {"local", {{"requests", 0}, {"bytes", 0}}},
      {"atomics", {{"requests", 1}, {"lanes", 32}, {"collisions", 24}}},
      {"barriers", 1},
      {"flops", 64},
      {"tensor_flops", 0}};
}

json with(json object, const json& more) {
  object.update(more);
  return object;
}

json frame(int ptx, const char* space, int bytes, const json& offsets, const json& more) {
  return with({{"ptx", ptx},
               {"space", space},
               {"use", "reads"},
               {"bytes", bytes},
               {"lanes", 0xFFFFFFFFU},
               {"array", "argument 0"},
               {"array_bytes", 65536},
               {"array_begin", 0},
               {"offsets", offsets}},
              more);
}

json every(int step) { return {{"first", 0}, {"step", step}}; }

/// Frames whose sectors and turns are known from the definition of each: whole sectors, one sector
/// for each lane, one word for all, lanes that are left out, banks with and without conflicts.
json film() {
  json half = json::array();
  for (int lane = 0; lane < 32; ++lane) half.push_back(lane < 16 ? json(lane * 36) : json());
  const auto sectors = [](int used, int ideal) {
    return json{{"sectors", used}, {"ideal_sectors", ideal}};
  };
  const auto turns = [](int used, int ideal) {
    return json{{"turns", used}, {"ideal_turns", ideal}};
  };
  return {{"block", {1, 0, 0}},
          {"warp", 2},
          {"frames",
           {frame(10, "global", 4, every(4), sectors(4, 4)),
            frame(10, "global", 4, every(256), sectors(32, 4)),
            frame(10, "global", 4, every(0), sectors(1, 1)),
            frame(10, "global", 16, every(16), sectors(16, 16)),
            frame(10, "global", 1, every(1), sectors(1, 1)),
            frame(10, "global", 4, half, with(sectors(16, 2), {{"lanes", 0x0000FFFFU}})),
            frame(20, "shared", 4, every(4), turns(1, 1)),
            frame(20, "shared", 4, every(128), turns(32, 1)),
            frame(20, "shared", 4, every(136), turns(2, 1)),
            frame(20, "shared", 8, every(8), turns(2, 2)),
            frame(20, "shared", 16, every(16), turns(4, 4)),
            frame(20, "shared", 16, every(128), turns(32, 4)),
            frame(20, "shared", 4, every(0), with(turns(1, 1), {{"collisions", 31}}))}}};
}

json line(int number, const char* text, const json& tally, const json& ptx) {
  return with(tally, {{"file", "/src/a.cu"}, {"line", number}, {"text", text}, {"ptx", ptx}});
}

json instruction(int number, const char* text) {
  return {{"line", number}, {"text", text},  {"warps", 4},
          {"lanes", 128},   {"sectors", 32}, {"ideal_sectors", 4}};
}

json launch(const char* name) {
  return {{"kernel", name},
          {"name", name},
          {"grid", {2, 1, 1}},
          {"block", {96, 1, 1}},
          {"threads", 192},
          {"warps", 6},
          {"total", counts(64, 48, 8, 40, 4)},
          {"lines",
           {line(12, "y[i * 64] = x[i];", counts(20, 48, 8, 0, 0),
                 json::array({instruction(10, "ld.global.f32 %f1, [%rd1];")})),
            line(14, "sum += tile[threadIdx.x][0];", counts(20, 0, 0, 40, 4),
                 json::array({instruction(20, "ld.shared.f32 %f2, [%r1];")})),
            line(40, "for (;;) {", counts(24, 0, 0, 0, 0), json::array())}},
          {"film", film()}};
}

json document() {
  json naive = {{"name", "copy:copy_naive float32 n=192"},
                {"status", "ran"},
                {"total", with(counts(64, 48, 8, 40, 4), {{"moved_bytes", 1536}})},
                {"compulsory", {{"bytes", 256}, {"flops", 0}}},
                {"launches", json::array({launch("copy_naive")})}};
  json fast = naive;
  fast["name"] = "copy:copy_fast float32 n=192";
  fast["total"] = counts(64, 8, 8, 4, 4);
  fast["compulsory"] = nullptr;
  fast["launches"] = json::array({launch("copy_first"), launch("copy_second")});
  json curve = json::array();
  for (int i = 10; i < 22; ++i) {
    curve.push_back(
        {{"cache_bytes", 1 << i}, {"read_bytes", 4096 + (1 << (22 - i))}, {"written_bytes", 4096}});
  }
  fast["launches"][1]["cache"] = {{"schedule", "in order"}, {"curve", curve}};
  fast["launches"][1]["bound"] = {
      {"seconds", 2e-6}, {"limited_by", "dram"}, {"parts", {{"dram", 2e-6}, {"issue", 1e-7}}}};
  json refused = {{"name", "copy:copy_wide float32 n=192"},
                  {"status", "refused"},
                  {"reason", "[copy_wide] needs a multiple of 4"},
                  {"launches", json::array()}};
  std::string text;
  for (int i = 6; i < 50; ++i) text += "line " + std::to_string(i) + (i < 49 ? "\n" : "");
  const json race = {{"detector", "race"},  {"kernel", "copy_naive"}, {"file", "/src/a.cu"},
                     {"line", 14},          {"place", "a.cu:14"},     {"block", {0, 0, 0}},
                     {"thread", {1, 0, 0}}, {"what", "a race"},       {"other", nullptr},
                     {"times", 3}};
  json part = {{"line", 6}, {"text", text}};
  json source = {{"file", "/src/a.cu"}};
  source["parts"] = json::array({part});
  return {{"xray", 1},
          {"target", {{"kind", "kernel"}, {"name", "copy"}}},
          {"checked", true},
          {"gpu", {{"name", "H100"}}},
          {"ladder", json::array({naive, fast, refused})},
          {"findings", json::array({race})},
          {"sources", json::array({source})}};
}

PageView open(const json& data) {
  const TemporaryDirectory scratch;
  write_file_atomic(scratch / "xray.html", xray::page(data));
  return open_xray_page(scratch / "xray.html");
}

TEST(XrayPage, OfALadderWorksAtEveryWidth) {
  const PageView view = open(document());
  if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
  EXPECT_TRUE(view.problems.empty()) << fmt::format("{}", view.problems);
  EXPECT_EQ(view.answer["launches"], 3);
  EXPECT_EQ(view.answer["lines"], 3);
  EXPECT_EQ(view.answer["lanes"], 32);
  EXPECT_EQ(view.answer["frames"], 2 * 3 * 13);  // at two widths, of three launches
  EXPECT_EQ(view.answer["findings"], 2);
}

TEST(XrayPage, SaysWhenItLeavesSomethingOut) {
  json large = document();
  json& film = large["ladder"][0]["launches"][0]["film"]["frames"];
  const json one = film[0];
  for (int i = 0; i < 45000; ++i) film.push_back(one);
  const std::string text = xray::page(large);
  EXPECT_LE(text.size(), xray::kLargePage);
  EXPECT_NE(text.find(R"("left_out":"films")"), std::string::npos);
  EXPECT_EQ(text.find("\"offsets\":"), std::string::npos);
  EXPECT_NE(text.find("ld.global.f32 %f1"), std::string::npos);
}

TEST(XrayPage, StringsOfAFileAreNeverExecuted) {
  json hostile = document();
  const std::string script = "</script><script>window.injected = true</script>";
  hostile["target"]["name"] = script;
  json& first = hostile["ladder"][0]["launches"][0];
  first["name"] = script;
  first["lines"][0]["text"] = "<img src=x onerror='window.injected = true'>";
  first["lines"][0]["ptx"][0]["text"] = script;
  first["film"]["frames"][0]["array"] = script;
  hostile["sources"] = json::array();
  const PageView view = open(hostile);
  if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
  EXPECT_TRUE(view.problems.empty()) << fmt::format("{}", view.problems);
}

}  // namespace
}  // namespace switchyard::test
