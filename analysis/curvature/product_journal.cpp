#include "analysis/curvature/product_journal.h"

#include <fmt/format.h>

#include <cstring>

#include "engine/core/check.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"

namespace switchyard {
namespace {

constexpr const char* kForms = "forms";

std::string tensor_name(std::size_t vector, std::size_t tensor) {
  return fmt::format("{}.{}", vector, tensor);
}

TensorFile file_with(const Products& products) {
  TensorFile file;
  for (std::size_t j = 0; j < products.vectors.size(); ++j) {
    for (std::size_t i = 0; i < products.vectors[j].size(); ++i) {
      file.tensors[tensor_name(j, i)] = products.vectors[j][i];
    }
  }
  for (std::size_t j = 0; j < products.forms.size(); ++j) {
    file.tensors[fmt::format("{}.{}", kForms, j)] =
        Tensor::from({static_cast<std::int64_t>(products.forms[j].size())}, products.forms[j]);
  }
  return file;
}

TensorFile read_kept(const std::filesystem::path& path) {
  try {
    return read_safetensors(path);
  } catch (const Error& error) {
    throw Error(fmt::format("{}; without this file its product is computed again", error.what()));
  }
}

}  // namespace

std::uint64_t fingerprint(std::span<const Tensor> vector) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const Tensor& tensor : vector) {
    const Tensor host = tensor.to(Device::kCpu);
    dispatch_floating(host.dtype(), "fingerprint", [&]<class T>() {
      for (const T element : host.span<T>()) {
        std::uint64_t word = 0;
        std::memcpy(&word, &element, sizeof element);
        hash = (hash ^ word) * 0x100000001b3;
        hash ^= hash >> 32;  // the product alone never carries a high bit down
      }
    });
  }
  return hash;
}

ProductJournal::ProductJournal(Operator a, std::filesystem::path directory)
    : a_(std::move(a)), directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_);
}

Products ProductJournal::apply_block(std::span<const ParameterVector> v) {
  std::string name = "product";
  if (v.size() == 1) {
    name += fmt::format("-{:016x}", fingerprint(v[0]));
  } else {  // the first and the last one tell blocks of one estimator apart, and names stay short
    name +=
        fmt::format("-{}-{:016x}-{:016x}", v.size(), fingerprint(v.front()), fingerprint(v.back()));
  }
  const std::filesystem::path file = directory_ / (name + ".safetensors");
  if (path_exists(file)) {
    read_ += static_cast<int>(v.size());
    return read_products(file, v.size());
  }
  Products products = a_->apply_block(v);
  write_safetensors(file, file_with(products));
  computed_ += static_cast<int>(v.size());
  return products;
}

Products ProductJournal::read_products(const std::filesystem::path& path,
                                       std::size_t vectors) const {
  const TensorFile file = read_kept(path);
  const auto find = [&](const std::string& name) -> const Tensor& {
    const auto found = file.tensors.find(name);
    check(found != file.tensors.end(), "{}: the tensor {} is missing", path.string(), name);
    return found->second;
  };
  Products products;
  for (std::size_t j = 0; j < vectors; ++j) {
    ParameterVector& vector = products.vectors.emplace_back();
    for (std::size_t i = 0; i < like().size(); ++i) {
      const Tensor& tensor = find(tensor_name(j, i));
      check(tensor.shape() == like()[i].shape() && tensor.dtype() == like()[i].dtype(),
            "{}: the tensor {} is {} {}, expected {} {}", path.string(), tensor_name(j, i),
            name(tensor.dtype()), tensor.shape(), name(like()[i].dtype()), like()[i].shape());
      vector.push_back(tensor.to(like()[i].device()));
    }
    if (!group_weights().empty()) {
      products.forms.push_back(find(fmt::format("{}.{}", kForms, j)).to_doubles());
    }
  }
  return products;
}

int kept_products(const std::filesystem::path& directory) {
  int files = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, none)) {
    files += entry.path().extension() == ".safetensors" ? 1 : 0;
  }
  return files;
}

}  // namespace switchyard
