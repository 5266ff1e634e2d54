#include "kernels/api/run.h"
#include "kernels/cuda/moe_fused_form.cuh"

// The fused rungs of the token MoE layer with each thread's outputs in registers, 64x64 a block
// (register_tile.cuh).

namespace switchyard::kernels {

struct RegisterProducts {
  template <class T>
  using Tile = GroupedTile<T>;
  template <class T>
  static constexpr const char* kForward = "moe_forward_fused";
  template <class T>
  static constexpr const char* kBackward = "moe_backward_fused";

  template <class T>
  static void grouped(KernelExecutor& exec, const GroupedMatmul<T>& a) {
    run(exec, a);
  }
};

template struct FusedMoe<float, RegisterProducts>;
template struct FusedMoe<double, RegisterProducts>;

}  // namespace switchyard::kernels
