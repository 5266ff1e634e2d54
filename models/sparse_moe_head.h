#pragma once

#include "models/experts.h"
#include "models/head.h"
#include "models/sparse_gate.h"

namespace switchyard {

/// Each sample goes to the k experts with the largest gate logits only (sparse_moe; hard_moe is k =
/// 1). Names gate.w_gate.*, gate.w_noise.*, experts.*.
class SparseMoeHead : public Head {
 public:
  SparseMoeHead(const HeadConfig& config, std::int64_t features, DType dtype, Generator& random);

  ClassifierOutput forward(const Tensor& features, nn::Mode mode) override;

 private:
  Tensor balance_loss(const GateLogits& logits, const GateOutput& gate) const;
  Tensor load(const GateLogits& logits, const GateOutput& gate) const;

  HeadConfig config_;
  std::int64_t k_;
  SparseGate gate_;
  Experts experts_;
};

}  // namespace switchyard
