#include "kernels/xray/nvrtc.h"

#include <fmt/format.h>

#include <memory>
#include <system_error>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {
namespace {

constexpr int kSuccess = 0;           // NVRTC_SUCCESS
constexpr int kCompilationError = 6;  // NVRTC_ERROR_COMPILATION

}  // namespace

Nvrtc::Nvrtc(const std::vector<std::string>& files) : library_("NVRTC", files) {
  library_.load(create_, "nvrtcCreateProgram");
  library_.load(compile_, "nvrtcCompileProgram");
  library_.load(ptx_size_, "nvrtcGetPTXSize");
  library_.load(ptx_, "nvrtcGetPTX");
  library_.load(log_size_, "nvrtcGetProgramLogSize");
  library_.load(log_, "nvrtcGetProgramLog");
  library_.load(destroy_, "nvrtcDestroyProgram");
  library_.load(error_text_, "nvrtcGetErrorString");
}

void Nvrtc::check(int result, const char* call) const {
  if (result == kSuccess) return;
  throw Error(fmt::format("NVRTC: {}: {}", call, error_text_(result)));
}

std::string Nvrtc::result(Program* program, Size* size, Text* take) const {
  std::size_t bytes = 0;
  check(size(program, &bytes), "size of its output");
  std::string text(bytes, '\0');
  check(take(program, text.data()), "its output");
  while (!text.empty() && text.back() == '\0') text.pop_back();  // the size counts the end
  return text;
}

bool Nvrtc::compile(const std::string& source, const std::string& file,
                    const std::vector<std::string>& options, std::string& output) const {
  Program* made = nullptr;
  check(create_(&made, source.c_str(), file.c_str(), 0, nullptr, nullptr), "nvrtcCreateProgram");
  const auto destroy = [this](Program* program) { destroy_(&program); };
  const std::unique_ptr<Program, decltype(destroy)> program(made, destroy);
  std::vector<const char*> pointers;
  for (const std::string& option : options) pointers.push_back(option.c_str());
  const int code = compile_(program.get(), static_cast<int>(pointers.size()), pointers.data());
  if (code == kSuccess) {
    output = result(program.get(), ptx_size_, ptx_);
    return true;
  }
  output = result(program.get(), log_size_, log_);
  if (code != kCompilationError && output.empty()) check(code, "nvrtcCompileProgram");
  return false;
}

std::vector<std::filesystem::path> Nvrtc::include_folders() const {
  std::error_code ignored;
  const std::filesystem::path library = std::filesystem::canonical(library_.path(), ignored);
  // .../lib64/libnvrtc.so, .../targets/x86_64-linux/lib/libnvrtc.so, nvidia/cu13/lib/libnvrtc.so.13
  for (std::filesystem::path at = library.parent_path(); at.has_relative_path();
       at = at.parent_path()) {
    const std::filesystem::path folder = at / "include";
    if (!std::filesystem::exists(folder / "cuda_fp16.h", ignored)) continue;
    return {folder, folder / "cccl"};
  }
  return {};
}

}  // namespace switchyard::kernels::xray
