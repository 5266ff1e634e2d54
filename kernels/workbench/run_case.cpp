#include "kernels/workbench/run_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/api/error.h"

namespace switchyard::kernels::workbench {
namespace {

constexpr std::size_t kGuardBytes = 256;  // keeps the alignment of what lies between two of them
constexpr std::byte kGuard{0xA5};

/// A copy of one array in the device's memory; a result has guards before and after it.
class DeviceArray {
 public:
  DeviceArray(Device& device, const Array& array, std::int64_t shift)
      : device_(device), array_(array) {
    if (array.absent) return;
    const std::size_t element = array.count > 0 ? array.bytes.size() / array.count : 0;
    lead_ = array.type == ElementType::kInt64 ? 0 : static_cast<std::size_t>(shift) * element;
    if (array.expected) lead_ += kGuardBytes;
    const std::size_t tail = array.expected ? kGuardBytes : 0;
    content_.assign(lead_ + array.bytes.size() + tail, kGuard);
    std::copy(array.bytes.begin(), array.bytes.end(),
              content_.begin() + static_cast<std::ptrdiff_t>(lead_));
    memory_ = device.allocate(content_.size());
    device.upload(memory_, content_.data(), content_.size());
  }
  ~DeviceArray() {
    if (memory_ != nullptr) device_.release(memory_);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  void* pointer() const {
    return memory_ == nullptr ? nullptr : static_cast<std::byte*>(memory_) + lead_;
  }
  /// Fetches the memory back.
  void fetch() { device_.download(content_.data(), memory_, content_.size()); }
  Numbers values() const {
    return to_doubles(array_.type, std::span(content_).subspan(lead_, array_.bytes.size()));
  }
  const std::vector<std::byte>& content() const { return content_; }
  bool guards_hold() const {
    const auto end = content_.begin() + static_cast<std::ptrdiff_t>(lead_ + array_.bytes.size());
    const auto is_guard = [](std::byte byte) { return byte == kGuard; };
    return std::all_of(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(lead_),
                       is_guard) &&
           std::all_of(end, content_.end(), is_guard);
  }

 private:
  Device& device_;
  const Array& array_;
  std::size_t lead_ = 0;
  std::vector<std::byte> content_;
  void* memory_ = nullptr;
};

using DeviceArrays = std::deque<DeviceArray>;

/// Lowers the outcome to "disagrees" with the first reason given.
void disagree(Outcome& outcome, const std::string& reason) {
  if (outcome.status == Outcome::Status::kDisagrees) return;
  outcome.status = Outcome::Status::kDisagrees;
  outcome.reason = reason;
}

/// The element that is furthest off.
std::string worst_element(const Numbers& got, const Expected& want) {
  std::size_t worst = 0;
  double most = -1.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double off = std::abs(got[i] - want[i].value);
    if (off <= most) continue;
    worst = i;
    if (std::isnan(off)) break;
    most = off;
  }
  return fmt::format("element {} is {:.9g} instead of {:.9g}", worst, got[worst],
                     want[worst].value);
}

/// The relative error that a result of this type may have where the arithmetic may have `computed`.
/// What is to be exact is so in every type.
double allowed_error(ElementType type, double computed) {
  if (type == ElementType::kInt64 || computed == 0.0) return 0.0;
  return computed + stored_rounding(type);
}

/// The share of its terms' magnitudes that a result is measured against where they cancel, so that
/// it may be off by rounding(type) of them. A rung that rounds its operands, and so has a larger
/// tolerance than its type, is off by as much in every term.
double share_of_terms(ElementType type, double computed) {
  if (computed > tolerance(type)) return 1.0;
  const double allowed = allowed_error(type, computed);
  return allowed == 0.0 ? 0.0 : std::min(1.0, rounding(type) / allowed);
}

void compare(const Problem& problem, DeviceArrays& arrays, double computed, Outcome& outcome) {
  std::size_t results = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Array& array = problem.arrays()[i];
    if (!array.expected) continue;
    ++results;
    arrays[i].fetch();
    const Numbers got = arrays[i].values();
    const double most = allowed_error(array.type, computed);
    outcome.tolerance = std::max(outcome.tolerance, most);
    const double error = relative_error(got, *array.expected, share_of_terms(array.type, computed));
    if (!(error <= outcome.error) && !std::isnan(outcome.error)) outcome.error = error;
    if (!(error <= most)) {
      disagree(outcome, fmt::format("result {}: {}", results, worst_element(got, *array.expected)));
    }
    if (!arrays[i].guards_hold()) {
      disagree(outcome, fmt::format("result {}: written outside its bounds", results));
    }
  }
}

/// Copies the problem into the device's memory; returns what to call the kernel with.
Arguments place(Device& device, const Problem& problem, std::int64_t shift, DeviceArrays& arrays) {
  std::vector<void*> pointers;
  for (const Array& array : problem.arrays()) {
    pointers.push_back(arrays.emplace_back(device, array, shift).pointer());
  }
  return {std::move(pointers), problem.value()};
}

/// Fetched results of another run must be the same bits.
void compare_bits(const Problem& problem, const DeviceArrays& first, DeviceArrays& second,
                  Outcome& outcome) {
  for (std::size_t i = 0; i < second.size(); ++i) {
    if (!problem.arrays()[i].expected) continue;
    second[i].fetch();
    if (first[i].content() != second[i].content()) {
      disagree(outcome, "other bits in a second run");
    }
  }
}

double median_seconds(Device& device, int calls, const std::function<void()>& call) {
  std::vector<double> times;
  for (int i = 0; i < calls; ++i) times.push_back(device.seconds(call));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

Outcome run_case(Device& device, const Implementation& implementation, const Sizes& sizes,
                 const Problem& problem, const RunOptions& options) {
  Outcome outcome;
  outcome.tolerance = implementation.tolerance;
  try {
    DeviceArrays arrays;
    Arguments arguments = place(device, problem, options.shift, arrays);
    const auto call = [&] { implementation.run(device, sizes, arguments); };
    call();
    device.synchronise();
    compare(problem, arrays, implementation.tolerance, outcome);
    if (options.twice) {
      DeviceArrays fresh;
      Arguments again = place(device, problem, options.shift, fresh);
      implementation.run(device, sizes, again);
      device.synchronise();
      compare_bits(problem, arrays, fresh, outcome);
    }
    if (outcome.status == Outcome::Status::kAgrees && options.timed_calls > 0) {
      outcome.seconds = median_seconds(device, options.timed_calls, call);
    }
  } catch (const Refusal& refusal) {
    outcome.status =
        implementation.needs.empty() ? Outcome::Status::kFailed : Outcome::Status::kRefused;
    outcome.reason = refusal.what();
  } catch (const std::exception& error) {
    outcome.status = Outcome::Status::kFailed;
    outcome.reason = error.what();
  }
  return outcome;
}

}  // namespace switchyard::kernels::workbench
