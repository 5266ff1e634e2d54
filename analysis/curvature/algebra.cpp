#include "analysis/curvature/algebra.h"

#include <algorithm>

#include "analysis/curvature/vectors.h"
#include "engine/core/check.h"

namespace switchyard {
namespace {

bool same_groups(const SymmetricOperator& a, const SymmetricOperator& b) {
  return std::ranges::equal(a.group_weights(), b.group_weights());
}

class Sum : public SymmetricOperator {
 public:
  Sum(Operator a, Operator b) : a_(std::move(a)), b_(std::move(b)) {
    const std::span<const Tensor> x = a_->like();
    const std::span<const Tensor> y = b_->like();
    check(x.size() == y.size(), "[sum of operators] {} tensors against {}", x.size(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      check(x[i].shape() == y[i].shape() && x[i].dtype() == y[i].dtype(),
            "[sum of operators] entry {} is {} {} against {} {}", i, name(x[i].dtype()),
            x[i].shape(), name(y[i].dtype()), y[i].shape());
    }
  }

  std::span<const Tensor> like() const override { return a_->like(); }
  std::span<const double> group_weights() const override {
    return same_groups(*a_, *b_) ? a_->group_weights() : std::span<const double>();
  }
  Products apply_block(std::span<const ParameterVector> v) override {
    Products result = a_->apply_block(v);
    const Products other = b_->apply_block(v);
    const bool groups = !group_weights().empty();
    if (!groups) result.forms.clear();
    for (std::size_t j = 0; j < v.size(); ++j) {
      axpy(1.0, other.vectors[j], result.vectors[j]);
      if (!groups) continue;
      for (std::size_t i = 0; i < result.forms[j].size(); ++i) {
        result.forms[j][i] += other.forms[j][i];
      }
    }
    return result;
  }

 private:
  Operator a_, b_;
};

/// factor · A + shift · I.
class Affine : public SymmetricOperator {
 public:
  Affine(Operator a, double factor, double shift)
      : a_(std::move(a)), factor_(factor), shift_(shift) {}

  std::span<const Tensor> like() const override { return a_->like(); }
  std::span<const double> group_weights() const override { return a_->group_weights(); }
  Products apply_block(std::span<const ParameterVector> v) override {
    Products result = a_->apply_block(v);
    for (std::size_t j = 0; j < v.size(); ++j) {
      if (factor_ != 1.0) scale(result.vectors[j], factor_);
      if (shift_ != 0.0) axpy(shift_, v[j], result.vectors[j]);
    }
    for (std::size_t j = 0; j < result.forms.size(); ++j) {
      const double square = shift_ != 0.0 ? dot(v[j], v[j]) : 0.0;
      for (double& form : result.forms[j]) form = factor_ * form + shift_ * square;
    }
    return result;
  }

 private:
  Operator a_;
  double factor_, shift_;
};

class Restriction : public SymmetricOperator {
 public:
  Restriction(Operator a, ParameterBlock block)
      : a_(std::move(a)), block_(std::move(block)), like_(block_.part_of(a_->like())) {}

  std::span<const Tensor> like() const override { return like_; }
  std::span<const double> group_weights() const override { return a_->group_weights(); }
  Products apply_block(std::span<const ParameterVector> v) override {
    std::vector<ParameterVector> whole;
    for (const ParameterVector& part : v) whole.push_back(block_.embed(part, a_->like()));
    Products result = a_->apply_block(whole);
    for (ParameterVector& product : result.vectors) product = block_.part_of(product);
    return result;
  }

 private:
  Operator a_;
  ParameterBlock block_;
  ParameterVector like_;
};

class Composition : public SymmetricOperator {
 public:
  explicit Composition(std::vector<Operator> factors) : factors_(std::move(factors)) {
    check(!factors_.empty(), "[composition] no factors");
    check(std::equal(factors_.begin(), factors_.end(), factors_.rbegin()),
          "[composition] the factors must read the same backwards: other products are not "
          "symmetric");
  }

  std::span<const Tensor> like() const override { return factors_[0]->like(); }
  Products apply_block(std::span<const ParameterVector> v) override {
    Products result{{v.begin(), v.end()}, {}};
    for (auto factor = factors_.rbegin(); factor != factors_.rend(); ++factor) {
      result.vectors = (*factor)->apply_block(result.vectors).vectors;
    }
    return result;
  }

 private:
  std::vector<Operator> factors_;
};

}  // namespace

Operator sum(Operator a, Operator b) { return std::make_shared<Sum>(std::move(a), std::move(b)); }

Operator scaled(Operator a, double factor) {
  return std::make_shared<Affine>(std::move(a), factor, 0.0);
}

Operator shifted(Operator a, double shift) {
  return std::make_shared<Affine>(std::move(a), 1.0, shift);
}

Operator restricted(Operator a, ParameterBlock block) {
  return std::make_shared<Restriction>(std::move(a), std::move(block));
}

Operator composition(std::vector<Operator> factors) {
  return std::make_shared<Composition>(std::move(factors));
}

}  // namespace switchyard
