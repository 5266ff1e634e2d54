#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/common/conv_hash.h"
#include "kernels/cuda/cudnn/descriptor.h"

namespace switchyard::kernels {

/// Says what a plan is made for.
struct ConvQuestion {
  ConvFace face = ConvFace::kForward;
  ConvShape shape;
  bool is_double = false;
  std::int64_t alignment = 16;  ///< of every operand, in bytes
  bool operator==(const ConvQuestion&) const = default;
};

struct ConvQuestionHash {
  std::size_t operator()(const ConvQuestion& q) const {
    return hash_of(q.face, q.shape, {q.is_double ? 1 : 0, q.alignment});
  }
};

/// The largest power of two, up to 16, that divides every address.
std::int64_t common_alignment(std::span<const void* const> addresses);

/// Returns whether an engine with these notes may compute: it must give the same bits in every run,
/// and products and sums in the dtype. Tensor cores take float64 as it is but cut float32 down to
/// tf32; Winograd transforms of 6x6 tiles and more lose digits.
bool acceptable(std::span<const cudnnBackendNumericalNote_t> notes, bool is_double);

/// Computes one face with cuDNN, by the best of the acceptable engines that it suggests.
class ConvPlan {
 public:
  /// Plans for the GPU that `device` describes, which need not be there. Errors: CudaError; where
  /// cuDNN has no acceptable engine it says so and names the sizes.
  ConvPlan(const CudnnFunctions& functions, const CudnnDescriptor& device,
           const ConvQuestion& question);

  /// Bytes of device memory that a run needs.
  std::size_t workspace_bytes() const { return workspace_bytes_; }
  /// Enqueues it on the handle's stream.
  void run(cudnnHandle_t handle, const void* x, const void* w, const void* y,
           void* workspace) const;

 private:
  bool adopt(const CudnnDescriptor& device, const CudnnDescriptor& config);

  const CudnnFunctions& functions_;
  std::vector<CudnnDescriptor> parts_;  // what the plan refers to
  std::vector<CudnnDescriptor> plan_;   // one, once found
  std::size_t workspace_bytes_ = 0;
};

}  // namespace switchyard::kernels
