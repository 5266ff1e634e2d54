#include "engine/autograd/operation.h"

#include <fmt/format.h>

namespace switchyard {

std::string text_of(const Attribute& attribute) {
  return std::visit([&](const auto& value) { return fmt::format("{}={}", attribute.name, value); },
                    attribute.value);
}

}  // namespace switchyard
