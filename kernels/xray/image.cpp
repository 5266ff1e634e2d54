#include "kernels/xray/image.h"

#include <fmt/format.h>

#include <cstring>

#include "kernels/api/error.h"

namespace switchyard::kernels::xray {

Image::Image(const Module& module, Memory& memory) {
  const std::vector<Variable>& variables = module.variables();
  for (const Variable& variable : variables) {
    std::byte* place = nullptr;
    if (variable.space != Space::kShared && !variable.is_external) {
      place = memory.allocate(variable.bytes, source_name(variable.name));
      std::memcpy(place, variable.initial.data(), variable.initial.size());
    }
    addresses_.push_back(reinterpret_cast<std::uint64_t>(place));
  }
  for (std::size_t i = 0; i < variables.size(); ++i) {
    if (addresses_[i] == 0) continue;
    for (const Variable::Address& one : variables[i].addresses) {
      const std::int64_t named = module.variable(one.variable);
      if (named < 0 || addresses_[static_cast<std::size_t>(named)] == 0) {
        throw Error(fmt::format("{}: the initial value of {} names {}, which has no address here",
                                module.file(), variables[i].name, one.variable));
      }
      const std::uint64_t value =
          addresses_[static_cast<std::size_t>(named)] + static_cast<std::uint64_t>(one.addend);
      std::memcpy(reinterpret_cast<std::byte*>(addresses_[i]) + one.at, &value, sizeof value);
    }
  }
}

}  // namespace switchyard::kernels::xray
