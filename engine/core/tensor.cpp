#include "engine/core/tensor.h"

#include "engine/core/bfloat16.h"
#include "engine/core/on_device.h"
#include "kernels/api/run.h"
#include "kernels/api/shape.h"

namespace switchyard {
namespace {

/// Calls f with a null pointer of the element type of `dtype`.
template <class F>
decltype(auto) dispatch_element(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kFloat32:
      return f(static_cast<float*>(nullptr));
    case DType::kFloat64:
      return f(static_cast<double*>(nullptr));
    case DType::kInt32:
      return f(static_cast<std::int32_t*>(nullptr));
    case DType::kInt64:
      return f(static_cast<std::int64_t*>(nullptr));
    case DType::kUInt8:
      return f(static_cast<std::uint8_t*>(nullptr));
    case DType::kBFloat16:
      return f(static_cast<BFloat16*>(nullptr));
  }
  throw Error("a tensor of an unknown dtype");
}

}  // namespace

Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
  std::int64_t bytes = 0;
  check(!__builtin_mul_overflow(shape.numel(), static_cast<std::int64_t>(size_of(dtype)), &bytes),
        "a {} tensor of shape {} has too many bytes", name(dtype), shape);
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ = std::make_shared<Storage>(static_cast<std::size_t>(bytes), device);
  return tensor;
}

Tensor Tensor::zeros(Shape shape, DType dtype, Device device) {
  Tensor tensor = empty(shape, dtype, device);
  clear_memory(device, tensor.address(), tensor.bytes());
  return tensor;
}

Tensor Tensor::full(Shape shape, double value, DType dtype, Device device) {
  Tensor tensor = empty(shape, dtype, device);
  tensor.fill(value);
  return tensor;
}

Tensor Tensor::scalar(double value, DType dtype, Device device) {
  return full({}, value, dtype, device);
}

template <class T>
Tensor Tensor::from(Shape shape, std::span<const T> values, Device device) {
  check(static_cast<std::int64_t>(values.size()) == shape.numel(),
        "{} values do not fill a tensor of shape {}", values.size(), shape);
  Tensor tensor = empty(shape, kDTypeOf<T>, device);
  copy_memory(device, tensor.address(), Device::kCpu, values.data(), tensor.bytes());
  return tensor;
}
template Tensor Tensor::from(Shape, std::span<const float>, Device);
template Tensor Tensor::from(Shape, std::span<const double>, Device);
template Tensor Tensor::from(Shape, std::span<const BFloat16>, Device);
template Tensor Tensor::from(Shape, std::span<const std::int32_t>, Device);
template Tensor Tensor::from(Shape, std::span<const std::int64_t>, Device);
template Tensor Tensor::from(Shape, std::span<const std::uint8_t>, Device);

double Tensor::item() const {
  check(defined() && numel() == 1, "item() needs one element, the tensor has shape {}", shape_);
  return to_doubles()[0];
}

std::vector<double> Tensor::to_doubles() const {
  check(defined(), "to_doubles() of an undefined tensor");
  if (device() != Device::kCpu) return to(Device::kCpu).to_doubles();
  const Tensor doubles = to(DType::kFloat64);
  const auto elements = doubles.span<double>();
  return {elements.begin(), elements.end()};
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape_, dtype_, device());
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::view(Shape shape) const {
  check(shape.numel() == numel(), "cannot view shape {} as {}", shape_, shape);
  Tensor other = detach();
  other.shape_ = shape;
  return other;
}

Tensor Tensor::entry(std::int64_t i) const {
  check(defined() && rank() > 0 && i >= 0 && i < size(0), "shape {} has no entry {}",
        shape_.to_string(), i);
  Tensor other = detach();
  other.shape_ = Shape(shape_.sizes().subspan(1));
  other.offset_ += static_cast<std::size_t>(i) * other.bytes();
  return other;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor converted = empty(shape_, dtype, device());
  dispatch_element(dtype_, [&]<class From>(From*) {
    dispatch_element(dtype, [&]<class To>(To*) {
      on_device(device(), "to", [&](auto& exec) {
        kernels::run(exec, kernels::Convert<From, To>{
                               .x = data<From>(), .y = converted.data<To>(), .count = numel()});
      });
    });
  });
  return converted;
}

Tensor Tensor::to(Device device) const {
  if (!defined() || device == this->device()) return *this;
  Tensor copy = empty(shape_, dtype_, device);
  copy.copy_from(*this);
  return copy;
}

void Tensor::copy_from(const Tensor& source) {
  check(defined() && source.defined() && shape_ == source.shape_ && dtype_ == source.dtype_,
        "cannot copy a {} tensor of shape {} into a {} tensor of shape {}", name(source.dtype_),
        source.shape_, name(dtype_), shape_);
  storage_->mark_overwritten();
  copy_memory(device(), address(), source.device(), source.address(), bytes());
}

void Tensor::fill(double value) {
  dispatch_element(dtype_, [&]<class T>(T*) {
    on_device(device(), "fill", [&](auto& exec) {
      kernels::run(
          exec, kernels::Fill<T>{
                    .y = data<T>(), .value = kernels::convert_element<T>(value), .count = numel()});
    });
  });
}

Tensor Tensor::detach() const {
  Tensor other = *this;
  other.node_ = nullptr;
  other.output_index_ = 0;
  return other;
}

void Tensor::set_node(std::shared_ptr<Node> node, int output_index) {
  node_ = std::move(node);
  output_index_ = output_index;
}

Tensor Tensor::without_storage() const {
  Tensor other = *this;
  other.storage_ = nullptr;
  return other;
}

void Tensor::require_dtype(DType wanted) const {
  check(defined(), "an undefined tensor has no data");
  check(dtype_ == wanted, "tensor of dtype {} read as {}", name(dtype_), name(wanted));
}

void Tensor::require_host() const {
  check(!defined() || device() == Device::kCpu,
        "a tensor on {} read by the host; copy it with to(Device::kCpu)", name(device()));
}

void check_same_kind(std::string_view op, std::initializer_list<const Tensor*> tensors) {
  const Tensor& first = **tensors.begin();
  for (const Tensor* tensor : tensors) {
    check(tensor->defined(), "[{}] an input is undefined", op);
    check(tensor->dtype() == first.dtype(), "[{}] dtypes differ: {} and {}", op,
          name(first.dtype()), name(tensor->dtype()));
  }
  check_same_device(op, tensors);
}

void check_same_device(std::string_view op, std::initializer_list<const Tensor*> tensors) {
  const Tensor& first = **tensors.begin();
  for (const Tensor* tensor : tensors) {
    check(tensor->defined(), "[{}] an input is undefined", op);
    check(tensor->device() == first.device(), "[{}] devices differ: {} and {}", op,
          name(first.device()), name(tensor->device()));
  }
}

}  // namespace switchyard
