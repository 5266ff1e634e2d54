#include "training/nonfinite.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/to_host.h"

namespace switchyard {

namespace {

bool all_finite(const Tensor& tensor) {
  if (tensor.dtype() == DType::kBFloat16) return all_finite(tensor.to(DType::kFloat32));
  return dispatch_floating(tensor.dtype(), "all_finite", [&]<class T>() {
    constexpr T kLargest = std::numeric_limits<T>::max();
    int finite = 1;  // no early exit: the loop vectorises
    for (const T x : tensor.span<T>()) finite &= static_cast<int>(std::abs(x) <= kLargest);
    return finite == 1;
  });
}

}  // namespace

std::vector<bool> finite_flags(std::span<const Tensor> tensors) {
  std::vector<bool> flags;
  for (const Tensor& tensor : to_host(tensors)) flags.push_back(all_finite(tensor));
  return flags;
}

std::string parameter_group(const std::string& name) {
  std::size_t end = 0;
  for (int parts = 0; parts < 3; ++parts) {
    const std::size_t dot = name.find('.', end + (parts > 0));
    if (dot == std::string::npos) break;
    end = dot;
  }
  return end == 0 ? name : name.substr(0, end);
}

std::string nonfinite_groups(const std::vector<nn::NamedTensor>& parameters,
                             std::span<const Tensor> tensors) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> groups;
  const std::vector<nn::PublishedTensor> published = nn::published(parameters, tensors);
  const std::vector<bool> finite = finite_flags(nn::tensors_of(published));
  for (std::size_t i = 0; i < published.size(); ++i) {
    if (finite[i]) continue;
    std::string group = parameter_group(published[i].name);
    if (std::ranges::find(groups, group) == groups.end()) groups.push_back(std::move(group));
  }
  if (groups.size() <= kShown) return fmt::format("{}", fmt::join(groups, ", "));
  return fmt::format("{} and {} more", fmt::join(groups.begin(), groups.begin() + kShown, ", "),
                     groups.size() - kShown);
}

std::string describe_parameters(const std::vector<nn::NamedTensor>& parameters) {
  const std::string groups = nonfinite_groups(parameters, nn::tensors_of(parameters));
  if (!groups.empty()) return "not finite are the parameters " + groups;
  double largest = 0.0;
  std::string group;
  for (const nn::PublishedTensor& parameter : nn::published(parameters)) {
    for (const double x : parameter.tensor.to_doubles()) {
      if (std::abs(x) <= largest) continue;
      largest = std::abs(x);
      group = parameter_group(parameter.name);
    }
  }
  return fmt::format("the parameters are finite, at most {:.3g} ({})", largest, group);
}

}  // namespace switchyard
