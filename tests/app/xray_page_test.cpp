// Pages of real kernels in a real browser, and CUDA sources; each is skipped with the reason where
// the machine has no browser or compiler.

#include <fmt/ranges.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/io/files.h"
#include "tests/app/app_test.h"
#include "tests/support/xray_page.h"

namespace switchyard::test {
namespace {

const std::string kSource = SWITCHYARD_SOURCE_DIR;
const std::string kPtx = kSource + "/tests/kernels/xray/ptx/counted.ptx";
const std::string kTranspose = kSource + "/docs/examples/xray/transpose.cu";

class XrayPageTest : public AppTest {
 protected:
  /// Arguments of a kernel with two buffers of 32 x 32 numbers and their side.
  static Arguments square(const std::string& file, const std::string& kernel) {
    return {"xray",  file,    "--kernel",        kernel,  "--grid",         "1",     "--block",
            "32,32", "--arg", "random:f32:1024", "--arg", "zeros:f32:1024", "--arg", "32"};
  }
  PageView open(const Arguments& arguments) {
    expect_success(arguments + Arguments{"--html", path("xray.html")});
    return open_xray_page(path("xray.html"));
  }
  /// The data of the page that was written last.
  nlohmann::json page_data() {
    const std::string text = read_file(path("xray.html"));
    const std::string begin = "<script type=\"application/json\" id=\"data\">";
    const std::size_t at = text.find(begin) + begin.size();
    return nlohmann::json::parse(text.substr(at, text.find("</script>", at) - at));
  }
};

TEST_F(XrayPageTest, FilmsWhatTheKernelsDo) {
  for (const char* const kernel : {"transpose_naive", "transpose_tiled"}) {
    const PageView view = open(square(kPtx, kernel) + Arguments{"--film-warp", "7"});
    if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
    EXPECT_TRUE(view.problems.empty()) << kernel << ": " << fmt::format("{}", view.problems);
    EXPECT_EQ(view.answer["launches"], 1);
    EXPECT_GE(view.answer["frames"], 4) << kernel;
  }
}

TEST_F(XrayPageTest, FilmsAtomicsThatCollide) {
  const PageView view =
      open({"xray", kPtx, "--kernel", "histogram_shared", "--grid", "1", "--block", "64", "--arg",
            "random:i32:64:1:8", "--arg", "zeros:i32:64"});
  if (!view.no_browser.empty()) GTEST_SKIP() << view.no_browser;
  EXPECT_TRUE(view.problems.empty()) << fmt::format("{}", view.problems);
}

TEST_F(XrayPageTest, HoldsSourceAndPtxAndFilm) {
  expect_success(square(kPtx, "transpose_naive") +
                 Arguments{"--html", path("xray.html"), "--film-warp", "3"});
  const nlohmann::json data = page_data();
  const nlohmann::json& launch = data["ladder"][0]["launches"][0];
  EXPECT_EQ(launch["film"]["warp"], 3);
  EXPECT_EQ(launch["film"]["frames"].size(), 2);
  const nlohmann::json& store = launch["film"]["frames"][1];
  EXPECT_EQ(store["array"], "argument 1");
  EXPECT_EQ(store["sectors"], 32);
  EXPECT_EQ(store["offsets"], (nlohmann::json{{"first", 12}, {"step", 128}}));
  const nlohmann::json& worst = launch["lines"][0];
  EXPECT_EQ(worst["text"], "y[column * n + row] = x[row * n + column];");
  std::uint64_t sectors = 0;
  for (const auto& row : worst["ptx"]) sectors += row.value("sectors", 0);
  EXPECT_EQ(sectors, worst["global"]["sectors"]);
  const std::string text = data["sources"][0]["parts"][0]["text"];
  EXPECT_NE(text.find("  y[column * n + row] = x[row * n + column];"), std::string::npos) << text;
}

TEST_F(XrayPageTest, BadOptionsAreOneClearLine) {
  const Arguments run = square(kPtx, "transpose_naive");
  const Arguments page = run + Arguments{"--html", path("xray.html")};
  expect_failure(page + Arguments{"--film-warp", "32"}, 1, "no warp 32 of block (0, 0, 0)");
  expect_failure(page + Arguments{"--film-block", "1"}, 1, "no warp 0 of block (1, 0, 0)");
  expect_failure(page + Arguments{"--film-block", "a"}, 2, "--film-block: expected X");
  expect_failure(run + Arguments{"--film-warp", "1"}, 2, "--html");
  expect_failure(run + Arguments{"--arch", "90"}, 2, "expected an architecture such as sm_80");
  expect_failure(run + Arguments{"--html", path("none") + "/a.html"}, 1, "none");
}

/// "" where this machine can compile a CUDA source, else what the program says.
std::string compiler_missing() {
  const ProgramResult result = run_switchyard({"xray", kTranspose, "--kernel", "none"});
  return result.err.find("no compiler for CUDA") == std::string::npos ? "" : result.err;
}

TEST_F(XrayPageTest, CompilesASource) {
  if (const std::string reason = compiler_missing(); !reason.empty()) GTEST_SKIP() << reason;
  const auto counts = [&](const char* kernel) {
    return nlohmann::json::parse(
        expect_success(square(kTranspose, kernel) + Arguments{"--json"}))["ladder"][0]["total"];
  };
  EXPECT_EQ(counts("naive")["global"]["sectors"], 32 * (4 + 32));
  EXPECT_EQ(counts("tiled")["shared"]["turns"], 32 * (1 + 32));
  EXPECT_EQ(counts("padded")["shared"]["turns"], 32 * 2);
  EXPECT_EQ(counts("swizzled")["shared"]["turns"], 32 * 2);
  expect_success(square(kTranspose, "swizzled") +
                 Arguments{"--arch", "sm_80", "--check", "--html", path("xray.html")});
  const nlohmann::json lines = page_data()["ladder"][0]["launches"][0]["lines"];
  const std::string file = lines[0]["file"];
  EXPECT_TRUE(file.ends_with("transpose.cu")) << file;
}

TEST_F(XrayPageTest, AnErrorInASourceNamesItsLine) {
  if (const std::string reason = compiler_missing(); !reason.empty()) GTEST_SKIP() << reason;
  write_bytes(path("bad.cu"), "__global__ void k(int* x) {\n  *x = y;\n}\n");
  expect_failure({"xray", path("bad.cu")}, 1, "bad.cu:2: identifier \"y\" is undefined");
}

}  // namespace
}  // namespace switchyard::test
