#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

#include "app/command.h"
#include "app/machine.h"
#include "engine/core/device.h"
#include "kernels/cpu/parallel.h"

namespace switchyard {
namespace {

nlohmann::json device_names() {
  nlohmann::json names = nlohmann::json::array();
  for (const Device device : available_devices()) names.push_back(name(device));
  return names;
}

int print_version(bool as_json) {
  nlohmann::json machine = describe_machine("cpu", kernels::thread_count());
  if (as_json) {
    machine["devices"] = device_names();
    fmt::print("{}\n", machine.dump(2));
    return kSuccess;
  }
  fmt::print("switchyard {}\n", version_text());
  fmt::print("  compiler {}, oneDNN {}\n", machine["compiler"].get<std::string>(),
             machine["onednn"].get<std::string>());
  fmt::print("  {}, {} cores, {} threads\n", machine["cpu"].get<std::string>(),
             machine["cores"].get<int>(), kernels::thread_count());
  fmt::print("  devices: {}\n", device_names().dump());
  return kSuccess;
}

Action add_version(CLI::App& command) {
  const auto as_json = std::make_shared<bool>(false);
  command.add_flag("--json", *as_json, "Print JSON");
  return [=] { return print_version(*as_json); };
}

const CommandRegistration kVersion({Command::Group::kMachine, "version",
                                    "Version, commit, libraries, machine, devices", add_version});

}  // namespace
}  // namespace switchyard
