#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::kernels::workbench {

/// A size that an entry point takes, with the value that is used where none is given.
struct SizeParameter {
  std::string name;  ///< "tokens"
  std::int64_t standard = 0;
  std::int64_t least = 0;
  std::int64_t most = (std::int64_t{1} << 31) - 1;
};

/// Values for an entry point's parameters.
class Sizes {
 public:
  /// `values` in the order of `parameters`, as many or none at all for the standard ones.
  explicit Sizes(const std::vector<SizeParameter>& parameters,
                 const std::vector<std::int64_t>& values = {});

  /// Errors: std::invalid_argument for an unknown name, which lists the known ones, and for a value
  /// out of the parameter's range.
  void set(std::string_view name, std::int64_t value);
  /// Errors: std::invalid_argument for an unknown name.
  std::int64_t operator[](std::string_view name) const;
  /// A parameter that is 0 or 1.
  bool flag(std::string_view name) const { return (*this)[name] != 0; }
  bool has(std::string_view name) const;

  const std::vector<SizeParameter>& parameters() const { return parameters_; }
  const std::vector<std::int64_t>& values() const { return values_; }
  /// "m=31 n=33 k=127"
  std::string to_string(std::string_view between = " ", std::string_view equals = "=") const;

 private:
  std::size_t position(std::string_view name) const;

  std::vector<SizeParameter> parameters_;
  std::vector<std::int64_t> values_;
};

}  // namespace switchyard::kernels::workbench
