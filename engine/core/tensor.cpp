#include "engine/core/tensor.h"

#include <algorithm>
#include <cstring>

#include "engine/autograd/node.h"

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
      break;
  }
  throw Error(fmt::format("dtype {} has no host arithmetic", name(dtype)));
}

template <class From, class To>
void convert(const void* from, void* to, std::int64_t count) {
  std::transform(static_cast<const From*>(from), static_cast<const From*>(from) + count,
                 static_cast<To*>(to), [](From value) { return static_cast<To>(value); });
}

}  // namespace

Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
  std::int64_t bytes = 0;
  check(!__builtin_mul_overflow(shape.numel(), static_cast<std::int64_t>(size_of(dtype)), &bytes),
        "a {} tensor of shape {} has too many bytes", name(dtype), shape.to_string());
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ = std::make_shared<Storage>(static_cast<std::size_t>(bytes), device);
  return tensor;
}

Tensor Tensor::zeros(Shape shape, DType dtype, Device device) {
  Tensor tensor = empty(shape, dtype, device);
  std::memset(tensor.storage_->data(), 0, tensor.bytes());
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
        "{} values do not fill a tensor of shape {}", values.size(), shape.to_string());
  Tensor tensor = empty(shape, kDTypeOf<T>, device);
  std::copy(values.begin(), values.end(), tensor.data<T>());
  return tensor;
}
template Tensor Tensor::from(Shape, std::span<const float>, Device);
template Tensor Tensor::from(Shape, std::span<const double>, Device);
template Tensor Tensor::from(Shape, std::span<const std::int32_t>, Device);
template Tensor Tensor::from(Shape, std::span<const std::int64_t>, Device);
template Tensor Tensor::from(Shape, std::span<const std::uint8_t>, Device);

double Tensor::item() const {
  check(defined() && numel() == 1, "item() needs one element, the tensor has shape {}",
        shape_.to_string());
  return to_doubles()[0];
}

std::vector<double> Tensor::to_doubles() const {
  check(defined(), "to_doubles() of an undefined tensor");
  std::vector<double> values(static_cast<std::size_t>(numel()));
  dispatch_element(
      dtype_, [&]<class T>(T*) { convert<T, double>(storage_->data(), values.data(), numel()); });
  return values;
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape_, dtype_, device());
  std::memcpy(copy.storage_->data(), storage_->data(), bytes());
  return copy;
}

Tensor Tensor::view(Shape shape) const {
  check(shape.numel() == numel(), "cannot view shape {} as {}", shape_.to_string(),
        shape.to_string());
  Tensor other = detach();
  other.shape_ = shape;
  return other;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor converted = empty(shape_, dtype, device());
  dispatch_element(dtype_, [&]<class From>(From*) {
    dispatch_element(dtype, [&]<class To>(To*) {
      convert<From, To>(storage_->data(), converted.storage_->data(), numel());
    });
  });
  return converted;
}

void Tensor::copy_from(const Tensor& source) {
  check(defined() && source.defined() && shape_ == source.shape_ && dtype_ == source.dtype_,
        "cannot copy a {} tensor of shape {} into a {} tensor of shape {}", name(source.dtype_),
        source.shape_.to_string(), name(dtype_), shape_.to_string());
  std::memcpy(storage_->data(), source.storage_->data(), bytes());
}

void Tensor::fill(double value) {
  dispatch_element(dtype_, [&]<class T>(T*) {
    std::fill_n(static_cast<T*>(storage_->data()), numel(), static_cast<T>(value));
  });
}

Tensor& Tensor::set_requires_grad() {
  check(defined() && is_floating(dtype_), "only floating-point tensors have gradients, got {}",
        name(dtype_));
  if (node_ == nullptr) set_node(Node::leaf(*this), 0);
  return *this;
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

void check_same_kind(std::string_view op, std::initializer_list<const Tensor*> tensors) {
  const Tensor& first = **tensors.begin();
  for (const Tensor* tensor : tensors) {
    check(tensor->defined(), "[{}] an input is undefined", op);
    check(tensor->dtype() == first.dtype(), "[{}] dtypes differ: {} and {}", op,
          name(first.dtype()), name(tensor->dtype()));
    check(tensor->device() == first.device(), "[{}] devices differ: {} and {}", op,
          name(first.device()), name(tensor->device()));
  }
}

}  // namespace switchyard
