#include "kernels/xray/compile.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "kernels/api/error.h"
#include "kernels/api/temporary_directory.h"
#include "kernels/xray/nvcc.h"
#include "kernels/xray/nvrtc.h"
#include "tests/kernels/xray/run_ptx.h"

namespace switchyard::kernels::xray::test {
namespace {

namespace fs = std::filesystem;

TEST(FirstCompileError, IsOneLineWithItsPlace) {
  EXPECT_EQ(
      first_compile_error("a.cu(3): warning #177-D: x was declared\n\n"
                          "a.cu(7): error: identifier \"y\" is undefined\n    y = 1;\n    ^\n"),
      "a.cu:7: identifier \"y\" is undefined");
  EXPECT_EQ(first_compile_error("dir (1)/a.cu(2): catastrophic error: cannot open source file "
                                "\"none.h\"\n"),
            "dir (1)/a.cu:2: cannot open source file \"none.h\"");
  EXPECT_EQ(first_compile_error("a.cu(2): error #20: x is undefined\n"), "a.cu:2: x is undefined");
  EXPECT_EQ(first_compile_error("a.cu:1:10: fatal error: none.h: No such file or directory\n"),
            "a.cu:1: none.h: No such file or directory");
  EXPECT_EQ(first_compile_error("\nnvcc fatal   : Value 'sm_1' is not defined\n"),
            "nvcc fatal   : Value 'sm_1' is not defined");
  EXPECT_EQ(first_compile_error(""), "");
  EXPECT_EQ(first_compile_error(std::string(1 << 20, '(')).size(), 1000U);
}

/// Sets a variable of the environment for the length of a test.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Setting() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class CompileTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }
  /// What compiling says, beginning with the file's name alone; "" where it goes well.
  std::string message(const std::string& text) {
    const std::string file = write("bad.cu", text);
    try {
      compile_cuda(text, file, "sm_90");
      return "";
    } catch (const Error& error) {
      const std::string what = error.what();
      return what.substr(std::min(what.find("bad.cu"), what.size()));
    }
  }
  /// Compiles a source that needs a header beside it and one of the toolkit's, and runs it.
  void compile_and_run() {
    write("scale.h", "#define SCALE 3\n");
    const std::string text =
        "#include <cuda_fp16.h>\n"
        "#include \"scale.h\"\n"
        "__global__ void scale(float* x) {\n"
        "  x[threadIdx.x] *= __half2float(__float2half(1.5f)) * SCALE;\n"
        "}\n";
    const std::string file = write("scale.cu", text);
    Ptx ptx(compile_cuda(text, file, "sm_80"), "scale.ptx");
    float* const x = ptx.buffer(std::vector<float>(32, 2.0F));
    const LaunchReport report = ptx.run("_Z5scalePf", {.grid = {1}, .block = {32}}, x);
    EXPECT_EQ(x[31], 9.0F);
    bool has_line = false;
    for (const LineTally& line : report.lines) {
      has_line |= fs::path(line.file).filename() == "scale.cu" && line.line == 4 &&
                  line.tally.access.sectors == 8;
    }
    EXPECT_TRUE(has_line);
  }

  static bool has_nvrtc() {
    try {
      Nvrtc({"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so"});
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  TemporaryDirectory folder_;
};

TEST_F(CompileTest, ByNvrtc) {
  if (!has_nvrtc()) GTEST_SKIP() << "no NVRTC";
  const Setting path("PATH", "/nowhere");  // no nvcc
  compile_and_run();
}

TEST_F(CompileTest, ByNvcc) {
  const Setting none("SWITCHYARD_NVRTC", "none");
  if (!find_nvcc("/usr/local/cuda")) GTEST_SKIP() << "no nvcc";
  compile_and_run();
}

TEST_F(CompileTest, WhatNvrtcRefusesGoesToNvcc) {
  if (!has_nvrtc() || !find_nvcc("/usr/local/cuda")) GTEST_SKIP() << "no NVRTC, or no nvcc";
  const std::string text =
      "#include <vector>\n"
      "extern \"C\" __global__ void copy(const int* x, int* y) { *y = *x; }\n"
      "int main() { std::vector<int> x(3); copy<<<1, 1>>>(nullptr, x.data()); }\n";
  const std::string file = write("program.cu", text);
  EXPECT_NE(compile_cuda(text, file, "sm_90").find(".entry copy"), std::string::npos);
}

TEST_F(CompileTest, AnErrorInTheSourceIsOneLineWithItsPlace) {
  if (!has_nvrtc() && !find_nvcc("/usr/local/cuda")) GTEST_SKIP() << "no NVRTC and no nvcc";
  EXPECT_EQ(message("__global__ void k(int* x) {\n  *x = y;\n}\n"),
            "bad.cu:2: identifier \"y\" is undefined");
  EXPECT_NE(message("#include <none.h>\n").find("none.h"), std::string::npos);
}

TEST_F(CompileTest, WithoutACompilerItSaysWhatToInstall) {
  const Setting none("SWITCHYARD_NVRTC", "none"), path("PATH", "/nowhere"),
      home("CUDA_HOME", "/nowhere");
  EXPECT_EQ(message("__global__ void k() {}\n"),
            "bad.cu: no compiler for CUDA here: './run xray' offers NVIDIA's from PyPI, or install "
            "the CUDA toolkit (nvcc in PATH or in CUDA_HOME), or give a .ptx file");
}

TEST_F(CompileTest, ALibraryThatIsNamedHasToBeThere) {
  const Setting chosen("SWITCHYARD_NVRTC", "/nowhere/libnvrtc.so");
  EXPECT_THROW(compile_cuda("", "a.cu", "sm_90"), Error);
}

}  // namespace
}  // namespace switchyard::kernels::xray::test
