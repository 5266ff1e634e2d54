#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/head.h"

namespace switchyard::test {

using Matrix = std::vector<std::vector<double>>;

Matrix to_matrix(const Tensor& x);

/// Overwrites every parameter of a module with standard normal numbers.
void randomise(nn::Module& module, std::uint64_t seed);

/// The heads in evaluation mode as docs/design/heads.md defines them, one sample after the other in
/// plain loops: the oracle.
struct ReferenceOutput {
  Matrix logits;                                   ///< [N, C]
  Matrix router_logits;                            ///< [N, E]
  Matrix probabilities;                            ///< [N, E]
  std::vector<std::vector<std::int64_t>> indices;  ///< [N, k]
  Matrix weights;                                  ///< [N, k]
  std::int64_t dropped = 0;
};

ReferenceOutput reference_dense(Head& head, const Matrix& x);
ReferenceOutput reference_soft(Head& head, const HeadConfig& config, const Matrix& x);
/// `k` choices per sample.
ReferenceOutput reference_sparse(Head& head, const HeadConfig& config, std::int64_t k,
                                 const Matrix& x);

}  // namespace switchyard::test
