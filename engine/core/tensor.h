#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/check.h"
#include "engine/core/device.h"
#include "engine/core/dtype.h"
#include "engine/core/memory.h"
#include "engine/core/shape.h"

namespace switchyard {

class Node;  // engine/autograd/node.h: core passes its nodes on and knows nothing of them

/// Handle to a contiguous, row-major array of one dtype on one device. Copying a handle shares the
/// storage. Operations (engine/ops) return new tensors; only optimisers, loaders and running
/// statistics write in place. Operations take tensors of one device; to(Device) moves them.
///
/// A tensor that takes part in differentiation is output `output_index()` of its graph `node()`.
class Tensor {
 public:
  /// An undefined tensor: no shape, no storage. Used for "no gradient" and "not given".
  Tensor() = default;

  /// Uninitialised elements.
  static Tensor empty(Shape shape, DType dtype, Device device = Device::kCpu);
  static Tensor zeros(Shape shape, DType dtype, Device device = Device::kCpu);
  static Tensor full(Shape shape, double value, DType dtype, Device device = Device::kCpu);
  /// Makes a tensor of rank 0 that holds `value`.
  static Tensor scalar(double value, DType dtype, Device device = Device::kCpu);
  /// Copies `values`, row-major. Error when their number is not the shape's.
  template <class T>
  static Tensor from(Shape shape, std::span<const T> values, Device device = Device::kCpu);
  template <class T>
  static Tensor from(Shape shape, const std::vector<T>& values, Device device = Device::kCpu) {
    return from(shape, std::span<const T>(values), device);
  }

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return shape_; }
  std::int64_t size(int axis) const { return shape_[axis]; }
  int rank() const { return shape_.rank(); }
  std::int64_t numel() const { return shape_.numel(); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device::kCpu; }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }

  /// Address of the first element in the device's memory: the host may follow it only on kCpu.
  /// Error when T is not the tensor's dtype or the tensor is undefined. To ask for it without const
  /// counts as overwriting the elements: ask again for every write.
  template <class T>
  T* data() {
    require_dtype(kDTypeOf<T>);
    storage_->mark_overwritten();
    return static_cast<T*>(address());
  }
  template <class T>
  const T* data() const {
    require_dtype(kDTypeOf<T>);
    return static_cast<const T*>(address());
  }
  /// The elements, for the host to read. Error as data(), and when the device is not kCpu.
  template <class T>
  std::span<const T> span() const {
    require_host();
    return {data<T>(), static_cast<std::size_t>(numel())};
  }
  /// The only element of a one-element tensor of any dtype and device, as double.
  double item() const;
  /// All elements of any dtype and device, as double, row-major: for tests, reports and small
  /// results. On other devices than kCpu this waits for the work that the elements depend on.
  std::vector<double> to_doubles() const;

  /// Copies to the same device and dtype, without history.
  Tensor clone() const;
  /// Returns the same storage under another shape of equal element count, without history
  /// (ops/shape.h has the differentiable one).
  Tensor view(Shape shape) const;
  /// Entry `i` of axis 0 with the remaining axes, in the same storage, without history. Error on a
  /// scalar or for an entry that is not there.
  Tensor entry(std::int64_t i) const;
  /// Converted copy without history; the tensor itself when nothing changes.
  Tensor to(DType dtype) const;
  /// Copies to another device, without history; the tensor itself when it is there already.
  Tensor to(Device device) const;
  /// Overwrites the elements in place with those of `source`: same shape and dtype, any device.
  void copy_from(const Tensor& source);
  /// Overwrites all elements in place.
  void fill(double value);
  /// Counts how often the elements were overwritten in place, by any handle; 0 if undefined. Who
  /// keeps a tensor for later (a graph node) compares, and so finds that it was changed.
  std::uint64_t version() const { return storage_ ? storage_->version() : 0; }
  /// The block that holds the elements, which other tensors may share; null if undefined.
  const Storage* storage() const { return storage_.get(); }
  /// True when this handle is the only owner of its storage, so that it may be overwritten.
  bool owns_storage_alone() const { return storage_.use_count() == 1; }

  // ---- differentiation (engine/autograd)
  bool requires_grad() const { return node_ != nullptr; }
  /// Makes this tensor a leaf that gradients can be taken for. Error on integers. Defined where
  /// nodes are, in engine/autograd.
  Tensor& set_requires_grad();
  /// Returns the same elements without history.
  Tensor detach() const;
  const std::shared_ptr<Node>& node() const { return node_; }
  int output_index() const { return output_index_; }
  /// Attaches this tensor to a graph node; engine/autograd alone calls it.
  void set_node(std::shared_ptr<Node> node, int output_index);
  /// Returns a tensor of the same shape, dtype and node that has no elements, for engine/autograd.
  Tensor without_storage() const;

 private:
  void* address() const { return static_cast<std::byte*>(storage_->data()) + offset_; }
  void require_dtype(DType wanted) const;
  void require_host() const;

  std::shared_ptr<Storage> storage_;
  std::size_t offset_ = 0;  // of the first element, in bytes
  Shape shape_;
  DType dtype_ = DType::kFloat32;
  int output_index_ = 0;
  std::shared_ptr<Node> node_;
};

inline Tensor empty_like(const Tensor& x) {
  return Tensor::empty(x.shape(), x.dtype(), x.device());
}
inline Tensor zeros_like(const Tensor& x) {
  return Tensor::zeros(x.shape(), x.dtype(), x.device());
}

/// Checks that an operation's tensors are defined and share dtype and device with the first; Error
/// naming `op`.
void check_same_kind(std::string_view op, std::initializer_list<const Tensor*> tensors);
/// Checks the device alone, for indices and the like beside values.
void check_same_device(std::string_view op, std::initializer_list<const Tensor*> tensors);

}  // namespace switchyard
