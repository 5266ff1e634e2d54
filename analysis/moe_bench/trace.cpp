#include "analysis/moe_bench/trace.h"

#include "engine/core/check.h"
#include "engine/io/safetensors.h"

namespace switchyard::moe_bench {
namespace {

constexpr const char* kTensor = "routed_experts";

Tensor read_safetensors_trace(const std::filesystem::path& path, std::int64_t experts) {
  const TensorFile file = read_safetensors(path);
  const auto found = file.tensors.find(kTensor);
  check(found != file.tensors.end(), "{}: the tensor {} is missing", path.string(), kTensor);
  check(!is_floating(found->second.dtype()), "{}: {} must be integers, got {}", path.string(),
        kTensor, name(found->second.dtype()));
  const auto said = file.metadata.find("experts");
  check(
      said == file.metadata.end() || said->second == std::to_string(experts),
      "{}: the trace is of {} experts, the layer has {}", path.string(),
      [&] { return said->second; }, experts);
  return found->second;
}

/// [T, layers, k] -> the layer's [T, k]; int64.
Tensor one_layer(const Tensor& all, const std::string& path, std::int64_t layer) {
  check(all.rank() == 2 || all.rank() == 3, "{}: {} must be [T, k] or [T, layers, k], got {}", path,
        kTensor, all.shape());
  const std::int64_t layers = all.rank() == 3 ? all.size(1) : 1;
  check<UsageError>(layer < layers, "{}: there is no layer {}, {} has {}", path, layer, kTensor,
                    layers);
  const std::int64_t tokens = all.size(0);
  const std::int64_t k = all.size(all.rank() - 1);
  check(k >= 1, "{}: {} {} has no choices", path, kTensor, all.shape());
  const std::vector<double> numbers = all.to_doubles();
  Tensor choices = Tensor::empty({tokens, k}, DType::kInt64);
  auto* const to = choices.data<std::int64_t>();
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t j = 0; j < k; ++j) {
      to[t * k + j] = static_cast<std::int64_t>(
          numbers[static_cast<std::size_t>((t * layers + layer) * k + j)]);
    }
  }
  return choices;
}

void check_choices(const Tensor& choices, const std::string& path, std::int64_t experts) {
  const std::int64_t k = choices.size(1);
  const auto all = choices.span<std::int64_t>();
  for (std::int64_t t = 0; t < choices.size(0); ++t) {
    const auto row = all.subspan(static_cast<std::size_t>(t * k), static_cast<std::size_t>(k));
    for (std::size_t j = 0; j < row.size(); ++j) {
      check(row[j] >= 0 && row[j] < experts, "{}: {} row {} names expert {}, expected 0 to {}",
            path, kTensor, t, row[j], experts - 1);
      for (std::size_t i = 0; i < j; ++i) {
        check(row[i] != row[j], "{}: {} row {} names expert {} twice", path, kTensor, t, row[j]);
      }
    }
  }
}

}  // namespace

Tensor read_trace(const std::filesystem::path& path, const TraceOptions& options) {
  const Tensor all = path.extension() == ".npy" ? read_npy_integers(path)
                                                : read_safetensors_trace(path, options.experts);
  const Tensor choices = one_layer(all, path.string(), options.layer);
  check_choices(choices, path.string(), options.experts);
  return choices;
}

}  // namespace switchyard::moe_bench
