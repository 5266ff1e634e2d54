#include "models/state.h"

#include <cmath>
#include <set>
#include <string_view>

#include "engine/core/bfloat16.h"
#include "engine/io/json.h"

namespace switchyard {
namespace {

using Layout = nn::NamedTensor::Layout;

/// [outer, rows, columns] -> [outer, columns, rows], without history.
Tensor swap_last_axes(const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t columns,
                      const Shape& result_shape) {
  Tensor y = Tensor::empty(result_shape, x.dtype());
  const auto swap = [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for (std::int64_t o = 0; o < outer; ++o) {
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          to[(o * columns + c) * rows + r] = from[(o * rows + r) * columns + c];
        }
      }
    }
  };
  if (x.dtype() == DType::kBFloat16) {
    swap.template operator()<BFloat16>();
  } else {
    dispatch_floating(x.dtype(), "file layout", swap);
  }
  return y;
}

/// Returns whether a file may lack the tensor: PyTorch counts batches and so do we, but nothing
/// reads it.
bool may_be_missing(const std::string& tensor) { return tensor.ends_with(".num_batches_tracked"); }

void check_names(const std::vector<nn::PublishedTensor>& published, const TensorMap& tensors,
                 const std::string& file, const std::map<std::string, std::string>& skipped) {
  std::vector<std::string> missing;
  std::set<std::string_view> wanted;
  for (const nn::PublishedTensor& target : published) {
    wanted.insert(target.name);
    if (tensors.contains(target.name) || may_be_missing(target.name)) continue;
    const auto found = skipped.find(target.name);
    missing.push_back(found == skipped.end() ? target.name
                                             : fmt::format("{} (its dtype {} is not read)",
                                                           target.name, printable(found->second)));
  }
  std::vector<std::string> extra;
  for (const auto& [name, tensor] : tensors) {
    if (!wanted.contains(name)) extra.push_back(name);
  }
  if (missing.empty() && extra.empty()) return;
  throw Error(fmt::format("{}: tensors do not match the model{}{}{}{}", file,
                          missing.empty() ? "" : "; missing: ", printable_list(missing, " "),
                          extra.empty() ? "" : "; not in the model: ", printable_list(extra, " ")));
}

/// `tensor` in the engine's layout and the target's dtype, without history.
Tensor converted(const nn::PublishedTensor& target, const Tensor& tensor, const std::string& file) {
  const Tensor& model = target.tensor;
  const Shape expected = file_shape(model.shape(), target.layout);
  check(tensor.shape() == expected, "{}: {} must have shape {}, got {}", file, target.name,
        expected, tensor.shape());
  const bool convertible = tensor.dtype() == model.dtype() ||
                           (is_floating(tensor.dtype()) && is_floating(model.dtype()));
  check(convertible, "{}: {} must be {}, got {}", file, target.name, name(model.dtype()),
        name(tensor.dtype()));
  Tensor result = from_file_layout(tensor, target.layout).to(model.dtype());
  if (is_floating(result.dtype())) {
    for (const double value : result.to_doubles()) {
      check(std::isfinite(value), "{}: {} holds a value that is not finite ({})", file, target.name,
            value);
    }
  }
  return result;
}

std::vector<nn::PublishedTensor> saved_tensors(Classifier& model) {
  std::vector<nn::NamedTensor> named = model.parameters();
  for (nn::NamedTensor& buffer : model.buffers()) named.push_back(std::move(buffer));
  return nn::published(named);
}

}  // namespace

Shape file_shape(const Shape& shape, Layout layout) {
  if (layout == Layout::kSame) return shape;
  return {shape[0], shape[3], shape[1], shape[2]};  // OHWI -> OIHW
}

Tensor to_file_layout(const Tensor& tensor, Layout layout) {
  const Tensor host = tensor.to(Device::kCpu);
  if (layout == Layout::kSame) return host.detach();
  const Shape& s = host.shape();  // OHWI
  return swap_last_axes(host, s[0], s[1] * s[2], s[3], file_shape(s, layout));
}

Tensor from_file_layout(const Tensor& tensor, Layout layout) {
  if (layout == Layout::kSame) return tensor.detach();
  const Shape& s = tensor.shape();  // OIHW
  return swap_last_axes(tensor, s[0], s[1], s[2] * s[3], {s[0], s[2], s[3], s[1]});
}

TensorMap export_tensors(const std::vector<nn::PublishedTensor>& published) {
  TensorMap tensors;
  for (const nn::PublishedTensor& entry : published) {
    const Tensor& tensor = entry.tensor;
    const bool on_host = tensor.device() == Device::kCpu;
    tensors[entry.name] =
        to_file_layout(on_host ? tensor.clone() : tensor.to(Device::kCpu), entry.layout);
  }
  return tensors;
}

void import_tensors(std::vector<nn::PublishedTensor> published, const TensorMap& tensors,
                    const std::string& file, const std::map<std::string, std::string>& skipped) {
  check_names(published, tensors, file, skipped);
  std::vector<Tensor> values;
  for (const nn::PublishedTensor& target : published) {
    const auto found = tensors.find(target.name);
    values.push_back(found != tensors.end()
                         ? converted(target, found->second, file)
                         : Tensor::zeros(target.tensor.shape(), target.tensor.dtype()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) published[i].tensor.copy_from(values[i]);
}

TensorMap state_dict(Classifier& model) { return export_tensors(saved_tensors(model)); }

void load_state_dict(Classifier& model, const TensorMap& tensors, const std::string& file,
                     const std::map<std::string, std::string>& skipped) {
  import_tensors(saved_tensors(model), tensors, file, skipped);
}

std::int64_t parameter_count(Classifier& model) {
  std::int64_t count = 0;
  for (const nn::NamedTensor& parameter : model.parameters()) count += parameter.tensor->numel();
  return count;
}

}  // namespace switchyard
