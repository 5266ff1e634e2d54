#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "analysis/verdicts/verdict.h"

namespace switchyard {

/// Judges each claim of "Mixture-of-Experts Models in Vision" (arXiv 2601.15021) by the runs of
/// `study`, as read_study() returns it. Heads are paired by seed with the dense one that differs in
/// nothing else; a claim on which the study has nothing to say has no comparison and cannot be
/// told. docs/design/verdicts.md says how each is judged.
std::vector<Verdict> judge_claims(const nlohmann::json& study);

}  // namespace switchyard
