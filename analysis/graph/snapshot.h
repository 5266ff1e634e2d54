#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/dtype.h"
#include "engine/core/shape.h"
#include "engine/core/tensor.h"

namespace switchyard::graph {

/// What a page shows of a tensor: all numbers of a small one, else a heat map of block means; and
/// always its extremes, mean and norm.
struct Snapshot {
  bool defined = false;
  Shape shape = {};
  DType dtype = DType::kFloat32;
  double least = 0.0, greatest = 0.0, mean = 0.0, norm = 0.0;
  std::vector<double> values = {};  ///< row-major; empty where there are more than `whole` of them
  std::vector<double> cells = {};   ///< rows · columns block means, of a larger one
  int rows = 0, columns = 0;
};

/// Says how much of a tensor is kept.
struct SnapshotSizes {
  std::int64_t whole = 64;  ///< tensors of up to so many elements are kept whole
  int cells = 16;           ///< rows and columns of a heat map at most; 0 for none
};

/// Reads the tensor (waiting for its device). Undefined tensors give an undefined snapshot.
Snapshot snapshot(const Tensor& tensor, const SnapshotSizes& sizes);

}  // namespace switchyard::graph
