#include "kernels/common/moe_sequences_form.h"

namespace switchyard::kernels {

template struct MoeSequences<Cpu, float>;
template struct MoeSequences<Cpu, double>;
template struct MoeSequences<Cpu, BFloat16>;

}  // namespace switchyard::kernels
