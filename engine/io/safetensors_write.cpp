#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_format.h"
#include "kernels/common/convert.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using safetensors::kMetadata;
using safetensors::kPrefixBytes;
using safetensors::kStoredTypes;
using safetensors::StoredType;
using safetensors::with_elements;

/// The header, padded with spaces so that the data begin at a multiple of 8 bytes.
std::string header_text(const std::vector<std::pair<std::string, Tensor>>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto* known = std::ranges::find(kStoredTypes, tensor.dtype(), &StoredType::dtype);
    const auto sizes = tensor.shape().sizes();
    header[name] = {{"dtype", known->name},
                    {"shape", std::vector<std::int64_t>(sizes.begin(), sizes.end())},
                    {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.append((kPrefixBytes - text.size() % kPrefixBytes) % kPrefixBytes, ' ');
  return text;
}

}  // namespace

void write_safetensors(const fs::path& path, const TensorFile& file) {
  std::vector<std::pair<std::string, Tensor>> tensors(file.tensors.begin(), file.tensors.end());
  for (const auto& [name, tensor] : tensors) {
    check(tensor.defined() && name != kMetadata,
          "{}: tensor '{}' cannot be written: undefined or a reserved name", path.string(),
          printable(name));
  }
  for (auto& named : tensors) named.second = named.second.to(Device::kCpu);
  std::ranges::stable_sort(tensors, std::greater{},
                           [](const auto& named) { return size_of(named.second.dtype()); });
  std::string header;
  try {
    header = header_text(tensors, file.metadata);
  } catch (const json::exception& error) {  // a name that is no UTF-8
    throw Error(fmt::format("{}: cannot be written: {}", path.string(), error.what()));
  }
  check(header.size() <= kMaxTensorHeaderBytes,
        "{}: cannot be written: its header would have {} bytes, the limit is {}", path.string(),
        header.size(), kMaxTensorHeaderBytes);
  AtomicFile out(path);
  const std::uint64_t length = header.size();
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const auto& [name, tensor] : tensors) {
    const auto count = static_cast<std::size_t>(tensor.numel());
    with_elements(tensor,
                  [&](const auto* from) { out.write(std::as_bytes(std::span(from, count))); });
  }
  out.commit();
}

void require_finite(const std::string& name, const Tensor& tensor, const fs::path& path) {
  if (!is_floating(tensor.dtype())) return;
  with_elements(tensor, [&]<class T>(const T* values) {
    const T* end = values + tensor.numel();
    const T* bad = std::find_if(values, end, [](T value) {
      return !std::isfinite(kernels::convert_element<double>(value));
    });
    check(bad == end, "{}: tensor '{}' of shape {}: element {} is {}, expected finite numbers",
          path.string(), printable(name), tensor.shape().to_string(), bad - values,
          bad == end ? 0.0 : kernels::convert_element<double>(*bad));
  });
}

}  // namespace switchyard
