#pragma once

#include <nlohmann/json_fwd.hpp>

#include "tests/analysis/report/fixture_numbers.h"

namespace switchyard::test {

/// A made-up `perturbation` section of a run whose largest eigenvalue on training images is
/// `eigenvalue`, as files of earlier versions have it: losses along the top eigenvector and six
/// random directions.
nlohmann::json perturbation_fixture(double eigenvalue, Random& random);
/// Adds what lies around the parameters beyond these losses; changed experts with a gate alone.
void add_surroundings(nlohmann::json& perturbation, double eigenvalue, bool gated);

}  // namespace switchyard::test
