#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/curvature/operator.h"
#include "engine/nn/module.h"

namespace switchyard {

/// Some of a model's parameters, tensor by tensor under their names in files, so that a single
/// expert is a block although the model keeps all experts in one stack.
class ParameterBlock {
 public:
  /// One tensor of the block: a whole parameter, or an entry of a stack's axis 0.
  struct Part {
    std::string name;           ///< "head.experts.3.net.0.weight"
    std::size_t parameter = 0;  ///< number among the model's parameters
    std::optional<std::int64_t> entry;
  };

  /// All parameters.
  explicit ParameterBlock(const std::vector<nn::NamedTensor>& parameters);

  /// Those whose name one of `globs` matches, as in a shell ('*' matches dots as well), or who
  /// belong to a module whose name it matches: "head.gate" is "head.gate.*". UsageError where a
  /// glob matches nothing, with the modules that there are.
  ParameterBlock matching(std::span<const std::string> globs) const;
  /// True where the glob matches a parameter.
  bool has(const std::string& glob) const;

  const std::vector<Part>& parts() const { return parts_; }
  /// Number of elements, of all parts or of one.
  std::int64_t dimension() const;
  std::int64_t part_dimension(std::size_t part) const { return sizes_[part]; }
  /// True where every name starts with `prefix`.
  bool lies_in(std::string_view prefix) const;

  /// Numbers of the parameters that the block has a part of, ascending.
  std::vector<std::size_t> touched() const;
  /// The same block, counted among those parameters alone.
  ParameterBlock among_touched() const;
  /// The block as the vectors of an operator that is restricted to it see it: every part is a
  /// parameter of its own.
  ParameterBlock by_itself() const;

  // Vectors of the block have one tensor per part; `whole` has one per parameter.

  /// Part `number` of `whole`, in the same memory.
  Tensor part(std::span<const Tensor> whole, std::size_t number) const;
  /// Copies of the block's parts of `whole`.
  ParameterVector part_of(std::span<const Tensor> whole) const;
  /// Vectors of the parameters' shapes, `like`, that are 0 outside the block.
  ParameterVector embed(std::span<const Tensor> part, std::span<const Tensor> like) const;

 private:
  ParameterBlock() = default;

  std::vector<Part> parts_;
  std::vector<std::int64_t> sizes_;  // elements of each part
};

/// "head.experts.0" of "head.experts.0.net.3.bias", "backbone.backbone.layer1", "head.gate": a name
/// without what follows the third dot, or without its last part.
std::string module_name(const std::string& parameter);
/// The modules of the block's parameters, each once.
std::vector<std::string> module_names(const ParameterBlock& block);

/// A block under the name that results give it.
struct NamedBlock {
  std::string name;
  ParameterBlock block;
};
/// The block as one for each of its modules, each named by the longest module around its
/// parameters: "head.experts.3.net.3" of that expert's output layer.
std::vector<NamedBlock> split_by_module(const ParameterBlock& block);

}  // namespace switchyard
