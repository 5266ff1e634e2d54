#pragma once

#include <string>

namespace switchyard::kernels {

/// Version of the oneDNN library that is loaded, as "2.6.3".
std::string onednn_version();

}  // namespace switchyard::kernels
