#include "engine/core/to_host.h"

#include "engine/core/bfloat16.h"
#include "engine/core/fault.h"

namespace switchyard {
namespace {

/// The first element's address, whatever its type.
template <class MaybeConstTensor>
auto* address_of(MaybeConstTensor& tensor) {
  using Address =
      decltype(static_cast<
               std::conditional_t<std::is_const_v<MaybeConstTensor>, const void*, void*>>(nullptr));
  switch (tensor.dtype()) {
    case DType::kFloat32:
      return static_cast<Address>(tensor.template data<float>());
    case DType::kFloat64:
      return static_cast<Address>(tensor.template data<double>());
    case DType::kInt32:
      return static_cast<Address>(tensor.template data<std::int32_t>());
    case DType::kInt64:
      return static_cast<Address>(tensor.template data<std::int64_t>());
    case DType::kUInt8:
      return static_cast<Address>(tensor.template data<std::uint8_t>());
    case DType::kBFloat16:
      return static_cast<Address>(tensor.template data<BFloat16>());
  }
  throw Error("to_host() of a tensor of an unknown dtype");
}

}  // namespace

std::vector<Tensor> to_host(std::span<const Tensor> tensors) {
  std::vector<Tensor> host;
  std::vector<kernels::HostCopy> copies;
  Device device = Device::kCpu;
  for (const Tensor& tensor : tensors) {
    if (!tensor.defined() || tensor.device() == Device::kCpu) {
      host.push_back(tensor.detach());
      continue;
    }
    check(copies.empty() || tensor.device() == device, "to_host() of tensors on {} and {}",
          name(device), name(tensor.device()));
    device = tensor.device();
    host.push_back(Tensor::empty(tensor.shape(), tensor.dtype()));
    copies.push_back({address_of(host.back()), address_of(tensor), tensor.bytes()});
  }
  if (!copies.empty()) read_memory(device, copies);
  return host;
}

}  // namespace switchyard
