#include "kernels/common/launch.h"
#include "kernels/common/moe_sequences_form.h"

namespace switchyard::kernels {

template struct MoeSequences<KernelExecutor, float>;
template struct MoeSequences<KernelExecutor, double>;
template struct MoeSequences<KernelExecutor, BFloat16>;

}  // namespace switchyard::kernels
