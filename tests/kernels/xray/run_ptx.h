#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/xray/xray.h"

namespace switchyard::kernels::xray::test {

/// The text of a file in tests/kernels/xray/ptx.
inline std::string ptx_file(const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::path(SWITCHYARD_SOURCE_DIR) / "tests/kernels/xray/ptx" / name;
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A PTX text with its memory, and a kernel's parameters as they are appended.
class Ptx {
 public:
  explicit Ptx(std::string text, const std::string& name = "test.ptx")
      : code_(Module::parse(std::move(text), name), memory_) {}

  /// A buffer that holds `values`.
  template <class T>
  T* buffer(const std::vector<T>& values, const std::string& name = "buffer") {
    const std::size_t bytes = values.size() * sizeof(T);
    T* data = reinterpret_cast<T*>(memory_.allocate(bytes, name));
    if (bytes != 0) std::memcpy(data, values.data(), bytes);
    return data;
  }
  Memory& memory() { return memory_; }
  template <class... Arguments>
  LaunchReport run(const std::string& kernel, const LaunchShape& shape,
                   const Arguments&... arguments) {
    return run_with({}, kernel, shape, arguments...);
  }
  template <class... Arguments>
  LaunchReport run_with(const LaunchOptions& options, const std::string& kernel,
                        const LaunchShape& shape, const Arguments&... arguments) {
    std::vector<std::byte> parameters;
    (append(parameters, arguments), ...);
    return code_.launch(kernel, shape, std::move(parameters), options);
  }

 private:
  template <class T>
  static void append(std::vector<std::byte>& parameters, const T& value) {
    const std::size_t at = (parameters.size() + alignof(T) - 1) / alignof(T) * alignof(T);
    parameters.resize(at + sizeof(T));
    std::memcpy(&parameters[at], &value, sizeof(T));
  }

  Memory memory_;
  Code code_;
};

/// Options of a launch that is checked.
inline LaunchOptions checked() {
  LaunchOptions options;
  options.instruction_limit = 1000000;
  options.check = true;
  return options;
}

/// A kernel with one parameter p, a pointer; `body` finds it in %rd1 and the thread's number in
/// %r1, and may use %p0-7, %rs0-15, %r2-31, %rd2-15, %f0-15, %fd0-15.
inline std::string kernel_text(const std::string& body) {
  return ".version 8.0\n.target sm_80\n.address_size 64\n"
         ".visible .entry k(.param .u64 p)\n{\n"
         ".reg .pred %p<8>; .reg .b16 %rs<16>; .reg .b32 %r<32>; .reg .b64 %rd<16>;\n"
         ".reg .f32 %f<16>; .reg .f64 %fd<16>;\n"
         "ld.param.u64 %rd1, [p];\nmov.u32 %r1, %tid.x;\n" +
         body + "\nret;\n}\n";
}

/// Runs such a kernel with one warp. The buffer begins with `values`; what it holds afterwards is
/// returned.
template <class T>
std::vector<T> run_body(const std::string& body, std::vector<T> values) {
  Ptx ptx(kernel_text(body));
  T* data = ptx.buffer(values);
  ptx.run("k", {.grid = {1}, .block = {32}}, data);
  std::memcpy(values.data(), data, values.size() * sizeof(T));
  return values;
}

}  // namespace switchyard::kernels::xray::test
