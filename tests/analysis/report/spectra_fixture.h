#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard::test {

/// A made-up `spectra` section of a run with this head, whose largest eigenvalue on training images
/// is `eigenvalue`: the whole model, the gate and each expert, dense spectra.
nlohmann::json spectra_fixture(const std::string& head, int experts, double eigenvalue);

}  // namespace switchyard::test
