#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/api/kernel.h"
#include "kernels/api/routing.h"
#include "kernels/workbench/bench_device.h"
#include "kernels/workbench/problem.h"
#include "kernels/workbench/sizes.h"

namespace switchyard::kernels::workbench {

/// Holds what a case passes to a kernel: its problem's arrays, in order, in the device's memory.
class Arguments {
 public:
  Arguments(std::vector<void*> pointers, std::int64_t value)
      : pointers_(std::move(pointers)), value_(value) {}
  template <class T>
  T* at(std::size_t i) const {
    return static_cast<T*>(pointers_.at(i));
  }
  /// Array number i, a Problem::lowest.
  LowestNumber* lowest(std::size_t i) const { return at<LowestNumber>(i); }
  std::int64_t value() const { return value_; }  ///< Problem::value
  /// Keeps host memory alive that a kernel's arguments point to, until the next call of keep().
  template <class Value>
  const Value& keep(Value value) {
    auto kept = std::make_shared<const Value>(std::move(value));
    kept_ = kept;
    return *kept;
  }

 private:
  std::vector<void*> pointers_;
  std::int64_t value_;
  std::shared_ptr<const void> kept_;
};

/// One way to compute an entry point's result on one device.
struct Implementation {
  std::string device;      ///< "cpu", "simt" or "cuda"
  std::string variant;     ///< of the ladder, or kEntryPoint
  std::string needs;       ///< what it takes, in words; it refuses other arguments
  double tolerance = 0.0;  ///< largest relative error
  std::function<void(Device&, const Sizes&, Arguments&)> run;
};
/// The variant that stands for the entry point itself, as the engine calls it. On the cpu there is
/// no other.
inline constexpr const char* kEntryPoint = "entry_point";

/// An entry point for one element type.
struct TypedEntryPoint {
  ElementType type;
  /// Operands and reference. Errors: std::invalid_argument for sizes that do not go together.
  std::function<Problem(const Sizes&, std::uint64_t seed)> problem;
  /// Counts the work that a call on such a problem cannot avoid.
  std::function<Work(const Sizes&, const Problem&)> work;
  std::vector<Implementation> implementations;
};

/// A function of kernels/api with everything that checks it.
struct EntryPoint {
  std::string name;      ///< "matmul"
  std::string computes;  ///< in one line
  std::vector<SizeParameter> parameters;
  /// Sizes worth timing, at least one of which every variant takes. Mostly just the parameters'.
  std::vector<std::vector<std::int64_t>> standard_sizes;
  std::vector<std::vector<std::int64_t>> odd_sizes;  ///< small and awkward ones
  std::vector<TypedEntryPoint> types;
};

/// The entry points of one ladder file and the page about them.
struct Family {
  std::string name;                  ///< "matmul"
  std::vector<std::string> sources;  ///< "kernels/cuda/matmul.cu"
  std::string page;                  ///< "docs/kernels/matmul.md"
  std::vector<EntryPoint> entry_points;
};

/// Lists every family, by name.
const std::vector<Family>& kernel_families();

}  // namespace switchyard::kernels::workbench
