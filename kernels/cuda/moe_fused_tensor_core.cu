#include "kernels/api/run.h"
#include "kernels/cuda/moe_fused_form.cuh"

// The fused rungs of the token MoE layer on tensor cores, 64x64 outputs a block
// (tensor_core_tile.cuh). They move the same bytes in the same kernels. In bfloat16 they sum in
// float32, and what they write is rounded once; weights, their gradient and the parts of inner
// products stay float32.

namespace switchyard::kernels {

struct TensorCoreProducts {
  template <class T>
  using Tile = GroupedTensorCoreTile<T>;
  template <class T>
  static constexpr const char* kForward = kTensorCoreForward<T>;
  template <class T>
  static constexpr const char* kBackward = kTensorCoreBackward<T>;

  template <class T>
  static void grouped(KernelExecutor& exec, const GroupedMatmul<T>& a) {
    run_rung(
        exec,
        std::is_same_v<T, float> ? "grouped_matmul_tensor_core_tf32" : "grouped_matmul_tensor_core",
        a);
  }
};

template struct FusedMoe<float, TensorCoreProducts>;
template struct FusedMoe<double, TensorCoreProducts>;
template struct FusedMoe<BFloat16, TensorCoreProducts>;

}  // namespace switchyard::kernels
