#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "analysis/curvature/algebra.h"

namespace switchyard {

/// A hash of all elements (FNV-1a over 64-bit words): tells the vectors of different measurements
/// apart, not those of an adversary.
std::uint64_t fingerprint(std::span<const Tensor> vector);

/// An operator that writes every product to a directory, under the fingerprint of its vectors, and
/// takes it from there where it was computed before. Estimators are pure functions of their
/// products and their seed: the same measurement, started again on the same directory, repeats its
/// first steps from the files and goes on, bit for bit as if it had never been stopped. That needs
/// no state of its own in any estimator.
class ProductJournal : public SymmetricOperator {
 public:
  /// `directory` is made where it is missing. It belongs to this operator alone, whatever
  /// multiplies by it.
  ProductJournal(Operator a, std::filesystem::path directory);

  std::span<const Tensor> like() const override { return a_->like(); }
  std::span<const double> group_weights() const override { return a_->group_weights(); }
  Products apply_block(std::span<const ParameterVector> v) override;

  /// Products that were computed, and those that were read.
  int computed() const { return computed_; }
  int read() const { return read_; }

 private:
  Products read_products(const std::filesystem::path& file, std::size_t vectors) const;

  Operator a_;
  std::filesystem::path directory_;
  int computed_ = 0;
  int read_ = 0;
};

/// Files of products in a directory and those below it, 0 where there is none. A measurement that
/// reads them takes one or more for each estimate that it reports.
int kept_products(const std::filesystem::path& directory);

}  // namespace switchyard
