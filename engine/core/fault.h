#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/core/device.h"
#include "kernels/api/read_back.h"

namespace switchyard {

/// Returns where a kernel that `operation` runs on `device` reports a row that should not be.
/// `text` says what is wrong, with "{0}" for the row and "{1}" for `detail`; both are literals. Of
/// several operations the one that first asked in this process is reported.
///
/// The host learns of it as Error "[operation] text": on the CPU from raise_fault() behind the
/// kernel, on other devices when it next reads something from the device.
kernels::FaultReport fault_report(Device device, std::string_view operation, std::string_view text,
                                  std::int64_t detail = 0);

/// The word of a device for kernels that must not write behind a fault.
const kernels::LowestNumber* fault_word(Device device);

/// Throws what kernels on the CPU have reported; nothing on other devices.
void raise_fault(Device device);

/// Several copies from `device` to the host with one wait. Error where operations before it found
/// something wrong on the device. Every copy to the host goes this way.
void read_memory(Device device, std::span<const kernels::HostCopy> copies);

}  // namespace switchyard
