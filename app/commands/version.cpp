#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/machine.h"
#include "app/output.h"
#include "engine/core/device.h"
#include "engine/core/threads.h"

namespace switchyard {
namespace {

nlohmann::json device_names() {
  nlohmann::json names = nlohmann::json::array();
  for (const Device device : available_devices()) names.push_back(name(device));
  return names;
}

int print_version() {
  nlohmann::json machine = describe_machine("cpu", thread_count());
  if (json_wanted()) {
    machine["devices"] = device_names();
    print_json(machine);
    return kSuccess;
  }
  print_text("switchyard {}\n", version_text());
  print_text("  compiler {}, oneDNN {}\n", machine["compiler"].get<std::string>(),
             machine["onednn"].get<std::string>());
  print_text("  {}, {} cores, {} threads\n", machine["cpu"].get<std::string>(),
             machine["cores"].get<int>(), thread_count());
  print_text("  devices: {}\n", device_names().dump());
  return kSuccess;
}

Action add_version(CLI::App&) { return print_version; }

const CommandRegistration kVersion(
    {Command::Group::kMachine, "version",
     "Print the version, the commit, the libraries, the machine and its devices", add_version});

}  // namespace
}  // namespace switchyard
