#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/machine.h"
#include "app/output.h"
#include "engine/core/device.h"
#include "engine/core/threads.h"

#ifdef SWITCHYARD_CUDA
#include "kernels/cuda/gpus.h"
#endif

namespace switchyard {
namespace {

using nlohmann::json;

/// {"available": true} with what else is known, or false with the reason.
json availability(Device device) {
  const std::string reason = unavailable_reason(device);
  if (reason.empty()) return {{"available", true}};
  return {{"available", false}, {"reason", reason}};
}

json describe_cpu() {
  const int threads = thread_count();
  const json machine = describe_machine("cpu", threads);
  json cpu = availability(Device::kCpu);
  for (const char* key : {"cpu", "cores", "threads", "memory_bytes"}) cpu[key] = machine[key];
  cpu["instruction_sets"] = instruction_sets();
  return cpu;
}

json describe_simt() {
  json simt = availability(Device::kSimt);
  if (simt["available"]) simt["threads"] = thread_count();
  return simt;
}

json describe_cuda() {
  json cuda = availability(Device::kCuda);
#ifdef SWITCHYARD_CUDA
  const kernels::GpuSurvey survey = kernels::survey_gpus();
  cuda["runtime_version"] = kernels::cuda_version_text(survey.runtime_version);
  cuda["driver_version"] = nullptr;
  if (survey.driver_version != 0) {
    cuda["driver_version"] = kernels::cuda_version_text(survey.driver_version);
  }
  cuda["compiled_for"] = kernels::compiled_architectures();
  cuda["gpus"] = json::array();
  for (const kernels::Gpu& gpu : survey.gpus) {
    cuda["gpus"].push_back({{"index", gpu.index},
                            {"name", gpu.name},
                            {"compute_capability", fmt::format("{}.{}", gpu.major, gpu.minor)},
                            {"memory_bytes", gpu.memory_bytes},
                            {"multiprocessors", gpu.multiprocessors},
                            {"unusable", gpu.unusable}});
  }
#endif
  return cuda;
}

void print_line(const char* head, const std::string& text) { print_text("{:<6}{}\n", head, text); }

void print_cuda(const json& cuda) {
  if (!cuda["available"]) {
    print_line("cuda", "not available: " + cuda["reason"].get<std::string>());
  } else {
    print_line("cuda", "GPU 0 is used; CUDA_VISIBLE_DEVICES says which are counted");
  }
  if (!cuda.contains("runtime_version")) return;
  for (const json& gpu : cuda["gpus"]) {
    const std::string unusable = gpu["unusable"];
    print_line(
        "",
        fmt::format("GPU {}: {}, {:.1f} GiB, compute capability {}, {} multiprocessors{}",
                    gpu["index"].get<int>(), gpu["name"].get<std::string>(),
                    gpu["memory_bytes"].get<double>() / (1 << 30),
                    gpu["compute_capability"].get<std::string>(), gpu["multiprocessors"].get<int>(),
                    unusable.empty() ? "" : "; cannot be used: " + unusable));
  }
  const json& driver = cuda["driver_version"];
  print_line("", fmt::format("CUDA: driver {}, runtime {}; kernels compiled for {}",
                             driver.is_null() ? "none" : driver.get<std::string>(),
                             cuda["runtime_version"].get<std::string>(),
                             cuda["compiled_for"].get<std::string>()));
}

int print_devices() {
  const json cpu = describe_cpu();
  const json cuda = describe_cuda();
  const json simt = describe_simt();
  if (json_wanted()) {
    print_json({{"cpu", cpu}, {"cuda", cuda}, {"simt", simt}});
    return kSuccess;
  }
  print_line("cpu", fmt::format("{}, {} threads, {}", cpu["cpu"].get<std::string>(),
                                cpu["threads"].get<int>(), fmt::join(instruction_sets(), " ")));
  print_cuda(cuda);
  print_line("simt", simt["available"] ? fmt::format("the CUDA kernels on {} host threads",
                                                     simt["threads"].get<int>())
                                       : "not available: " + simt["reason"].get<std::string>());
  return kSuccess;
}

Action add_devices(CLI::App& command) {
  command.footer("--device of the other commands takes one that is available.");
  return print_devices;
}

const CommandRegistration kDevices({Command::Group::kMachine, "devices",
                                    "List the devices of this machine, and say why one is missing",
                                    add_devices});

}  // namespace
}  // namespace switchyard
