#pragma once

#include "engine/autograd/node.h"

namespace switchyard {

/// What the rule of an operation that is linear in `a` and in `b` reads: each input serves only the
/// gradient of the other.
inline Saved saved_partners(const Tensor& a, const Tensor& b) {
  return {(b.requires_grad() ? 1U : 0U) | (a.requires_grad() ? 2U : 0U), 0};
}

}  // namespace switchyard
