#include "kernels/api/run.h"
#include "kernels/cuda/moe_fused_form.cuh"
#include "kernels/cuda/tensor_core_tile.cuh"

// The fused rungs of the token MoE layer on tensor cores, 64x64 outputs a block
// (tensor_core_tile.cuh). They move the same bytes in the same kernels.

namespace switchyard::kernels {

struct TensorCoreProducts {
  template <class T>
  using Tile = TensorCoreTile<MmaFor<T>, 64, 64>;
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

}  // namespace switchyard::kernels
