#pragma once

#include <cstdint>

namespace switchyard {

/// Resident memory of this process now, from /proc/self/status. 0 where there is no /proc.
std::int64_t resident_bytes();

/// Peak resident memory of this process since it started or since reset_peak_resident_bytes()
/// (VmHWM; unlike getrusage's it does not inherit the peak of the program that started this one).
std::int64_t peak_resident_bytes();

/// Makes the present resident memory the peak, after returning free memory to the system. False
/// where the kernel does not allow it: the peak then counts from the start of the process.
bool reset_peak_resident_bytes();

/// Bytes that this process may still take: the system's available memory or what its control group
/// (version 2 or 1) leaves, whichever is less. 0 where neither can be told.
double available_bytes();

}  // namespace switchyard
