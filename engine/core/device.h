#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

/// A tensor lives and its operations run on a device. `cpu` is the fast host implementation, `cuda`
/// a GPU, `simt` the CUDA kernels executed on the host.
enum class Device : std::uint8_t { kCpu, kCuda, kSimt };

std::string_view name(Device device);

/// Devices that this build on this machine can run, the fastest first.
std::vector<Device> available_devices();

/// Says in a few words why this build on this machine cannot run `device`; empty where it can.
std::string unavailable_reason(Device device);

/// Parses "cpu", "cuda" or "simt". UsageError that says what is missing and which devices there are
/// where the name is unknown or the machine or build lacks the device.
Device parse_device(std::string_view text);

/// Chooses whose convolutions run on `device`: "own", the hand-written kernels, or "cudnn", which
/// only a GPU has. For all tensors of the device, from now on. UsageError for another name or
/// device; CudaError where cuDNN cannot be started.
void choose_convolutions(Device device, std::string_view code);

/// Version of oneDNN, which computes convolutions and matrix products on the CPU, as "2.6.3".
std::string onednn_version();

/// Chooses one rung of one kernel on `device` for all calls whose arguments it takes, from now on:
/// "KERNEL=RUNG", such as "matmul=matmul_thread_per_output" (`switchyard kernels` lists them).
/// UsageError naming what there is for an unknown kernel or rung.
void choose_variant(Device device, std::string_view kernel_and_rung);

/// Waits until everything that was enqueued on the device has run.
void synchronise(Device device);

/// The device in words, such as a GPU's name and memory. Error where this build lacks it.
std::string describe(Device device);

}  // namespace switchyard
