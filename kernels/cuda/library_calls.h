#pragma once

namespace switchyard::kernels {

/// From now on no library of the toolkit is called on this device: where it is none of NVIDIA's
/// GPUs (kernels/xray/runtime) they have nothing to run on.
void forbid_library_calls();
bool library_calls_allowed();
/// Errors: Refusal naming `title` ("cuBLAS") after forbid_library_calls().
void require_library_calls(const char* title);

}  // namespace switchyard::kernels
