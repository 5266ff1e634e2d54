#include "app/command.h"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace switchyard {
namespace {

/// The list is made on first use, because registrations run before main() in no fixed order.
std::vector<Command>& registered() {
  static std::vector<Command> list;
  return list;
}

}  // namespace

CommandRegistration::CommandRegistration(const Command& command) {
  registered().push_back(command);
}

std::vector<Command> commands() {
  std::vector<Command> list = registered();
  const auto order = [](const Command& c) { return std::tuple(c.group, std::string_view(c.name)); };
  std::sort(list.begin(), list.end(),
            [&](const Command& a, const Command& b) { return order(a) < order(b); });
  return list;
}

}  // namespace switchyard
